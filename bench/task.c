/* Ids and payloads, written into a request without formatting. */

#include "bench/task.h"

#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/str.h"

static const char pattern[] = "{\"url\":\"http://127.0.0.1/item/000000000\","
			      "\"method\":\"GET\",\"depth\":3,\"meta\":{"
			      "\"site\":\"example\",\"lang\":\"en\","
			      "\"tags\":[\"a\",\"b\",\"c\"]},\"pad\":\""
			      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
			      "xxxxxxxxxxxxxxxxxxxxxxxxxx\"}";

_Static_assert(sizeof(pattern) == TASK_PAYLOAD_LEN + 1, "200 bytes");

static void
write_digits(char *at, uint32_t number)
{
	int i;

	for (i = TASK_DIGITS - 1; i >= 0; i--) {
		at[i] = (char)('0' + number % 10);
		number /= 10;
	}
}

void
task_add_id(struct buf *b, uint32_t number)
{
	char id[TASK_ID_LEN] = "t-";

	write_digits(id + 2, number);
	buf_add(b, id, sizeof(id));
}

void
task_add_payload(struct buf *b, uint32_t number)
{
	buf_add(b, pattern, TASK_PAYLOAD_LEN);
	ASSERT(!b->failed);
	write_digits(
	    b->data + b->len - TASK_PAYLOAD_LEN + TASK_PAYLOAD_DIGITS_AT,
	    number);
}

void
task_add_payload_string(struct buf *b, uint32_t number)
{
	char copy[TASK_PAYLOAD_LEN];

	memcpy(copy, pattern, sizeof(copy));
	write_digits(copy + TASK_PAYLOAD_DIGITS_AT, number);
	buf_add_json(b, (struct span){copy, sizeof(copy)});
}

uint32_t
task_number(const char *digits)
{
	uint32_t number = 0;
	int i;

	for (i = 0; i < TASK_DIGITS; i++)
		number = number * 10 + (uint32_t)(digits[i] - '0');
	return number;
}
