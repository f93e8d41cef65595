/* Points in time as text; see rfc3339.h. The calendar is the proleptic
 * Gregorian one, computed in 400-year eras that begin on 1 March. */

#include "core/rfc3339.h"

#include <stdio.h>

static const int64_t year_0000_ms = -62167219200000;
static const int64_t year_9999_end_ms = 253402300799999;

enum { DAY_MS = 86400000, ERA_DAYS = 146097, EPOCH_DAYS = 719468 };

/* Days since 1970-01-01 of a valid date. */
static int64_t
days_of(int year, int month, int day)
{
	int y = month <= 2 ? year - 1 : year;
	int era = (y >= 0 ? y : y - 399) / 400;
	int of_era = y - era * 400;
	int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;

	return (int64_t)era * ERA_DAYS + day_of_era - EPOCH_DAYS;
}

/* The other way; days is not before year 0000. */
static void
date_of(int64_t days, int *year, int *month, int *day)
{
	int64_t shifted = days + EPOCH_DAYS;
	int64_t era =
	    (shifted >= 0 ? shifted : shifted - ERA_DAYS + 1) / ERA_DAYS;
	int doe = (int)(shifted - era * ERA_DAYS);
	int yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int mp = (5 * doy + 2) / 153;

	*day = doy - (153 * mp + 2) / 5 + 1;
	*month = mp < 10 ? mp + 3 : mp - 9;
	*year = (int)(yoe + era * 400) + (*month <= 2);
}

static int
month_days(int year, int month)
{
	static const char days[] = {
	    31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

/* Takes n digits from the front. */
static bool
take_digits(struct span *s, int n, int *out)
{
	int value = 0;

	if (s->len < (size_t)n)
		return false;
	for (int i = 0; i < n; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return false;
		value = value * 10 + (s->p[i] - '0');
	}
	s->p += n;
	s->len -= (size_t)n;
	*out = value;
	return true;
}

/* Takes one character of the two from the front. */
static bool
take_char(struct span *s, char a, char b)
{
	if (s->len == 0 || (s->p[0] != a && s->p[0] != b))
		return false;
	s->p++;
	s->len--;
	return true;
}

/* An optional fraction of a second, in milliseconds. */
static bool
take_fraction(struct span *s, int *ms)
{
	int digit, scale = 100;

	*ms = 0;
	if (!take_char(s, '.', '.'))
		return true;
	if (!take_digits(s, 1, &digit))
		return false;
	do {
		*ms += digit * scale;
		scale /= 10;
	} while (take_digits(s, 1, &digit));
	return true;
}

/* Z or +hh:mm, to the end of the text. */
static bool
take_offset(struct span *s, int *minutes)
{
	int hour, minute, sign;

	*minutes = 0;
	if (take_char(s, 'Z', 'z'))
		return s->len == 0;
	sign = s->len > 0 && s->p[0] == '-' ? -1 : 1;
	if (!take_char(s, '+', '-') || !take_digits(s, 2, &hour) ||
	    !take_char(s, ':', ':') || !take_digits(s, 2, &minute))
		return false;
	*minutes = sign * (hour * 60 + minute);
	return hour <= 23 && minute <= 59 && s->len == 0;
}

bool
rfc3339_parse(struct span text, int64_t *ms)
{
	int year, month, day, hour, minute, second, fraction, offset;
	struct span s = text;

	if (!take_digits(&s, 4, &year) || !take_char(&s, '-', '-') ||
	    !take_digits(&s, 2, &month) || !take_char(&s, '-', '-') ||
	    !take_digits(&s, 2, &day) || !take_char(&s, 'T', 't') ||
	    !take_digits(&s, 2, &hour) || !take_char(&s, ':', ':') ||
	    !take_digits(&s, 2, &minute) || !take_char(&s, ':', ':') ||
	    !take_digits(&s, 2, &second) || !take_fraction(&s, &fraction) ||
	    !take_offset(&s, &offset))
		return false;
	if (month < 1 || month > 12 || day < 1 ||
	    day > month_days(year, month) || hour > 23 || minute > 59 ||
	    second > 60)
		return false;
	*ms = days_of(year, month, day) * DAY_MS +
	      ((int64_t)(hour * 60 + minute - offset) * 60 + second) * 1000 +
	      fraction;
	return true;
}

void
rfc3339_print(char dst[RFC3339_LEN + 1], int64_t ms)
{
	int year, month, day;
	int64_t days;
	int rest;

	if (ms < year_0000_ms)
		ms = year_0000_ms;
	if (ms > year_9999_end_ms)
		ms = year_9999_end_ms;
	days = ms / DAY_MS - (ms % DAY_MS < 0);
	rest = (int)(ms - days * DAY_MS);
	date_of(days, &year, &month, &day);
	/* The remainders tell the compiler how wide the fields can get. */
	(void)snprintf(dst, RFC3339_LEN + 1,
	    "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)year % 10000,
	    (unsigned)month % 100, (unsigned)day % 100,
	    (unsigned)rest / 3600000 % 100, (unsigned)rest / 60000 % 60,
	    (unsigned)rest / 1000 % 60, (unsigned)rest % 1000);
}
