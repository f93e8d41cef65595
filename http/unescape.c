/* Percent escapes; see unescape.h. */

#include "http/unescape.h"

int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
unescape(char *s, size_t *len)
{
	size_t to = 0;
	int high, low;

	for (size_t from = 0; from < *len; from++) {
		if (s[from] != '%') {
			s[to++] = s[from];
			continue;
		}
		high = from + 2 < *len ? hex_digit(s[from + 1]) : -1;
		low = high < 0 ? -1 : hex_digit(s[from + 2]);
		if (low < 0)
			return false;
		s[to++] = (char)(high << 4 | low);
		from += 2;
	}
	s[to] = '\0';
	*len = to;
	return true;
}
