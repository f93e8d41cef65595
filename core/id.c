/* Ids that we make; see id.h for their shape. */

#include "core/id.h"

#include <errno.h>
#include <stdint.h>
#include <sys/random.h>

#include "core/clock.h"
#include "core/mem.h"

enum {
	TIME_DIGITS = 9, /* of 5 bits each: 45 bits */
	TAIL_DIGITS = ID_MADE_LEN - TIME_DIGITS,
	TAIL_BITS = TAIL_DIGITS * 5
};

#define TIME_MASK ((UINT64_C(1) << (TIME_DIGITS * 5)) - 1)
#define TAIL_MASK ((UINT64_C(1) << TAIL_BITS) - 1)

/* The last id made. Its time never goes back, so that ids keep sorting in
 * the order they were made when the wall clock is set back. */
static int64_t last_ms = -1;
static uint64_t last_tail;

unsigned long long
id_random(void)
{
	unsigned long long bits;
	ssize_t n;

	do
		n = getrandom(&bits, sizeof(bits), 0);
	while (n < 0 && errno == EINTR);
	ASSERT(n == sizeof(bits));
	return bits;
}

static void
id_advance(void)
{
	int64_t ms = clock_now_ms();

	if (ms <= last_ms) {
		if (++last_tail <= TAIL_MASK)
			return;
		ms = last_ms + 1;
	}
	last_ms = ms;
	last_tail = id_random() & TAIL_MASK;
}

static void
id_write_digits(char *dst, uint64_t value, int digits)
{
	static const char alphabet[] = "0123456789abcdefghijklmnopqrstuv";

	for (int i = digits - 1; i >= 0; i--) {
		dst[i] = alphabet[value & 31];
		value >>= 5;
	}
}

void
id_make(char dst[ID_MADE_LEN + 1])
{
	id_advance();
	id_write_digits(dst, (uint64_t)last_ms & TIME_MASK, TIME_DIGITS);
	id_write_digits(dst + TIME_DIGITS, last_tail, TAIL_DIGITS);
	dst[ID_MADE_LEN] = '\0';
}
