#ifndef SCHEDD_BENCH_TASK_H
#define SCHEDD_BENCH_TASK_H

/*
 * The task that everything is measured with: the id t-000000123 and a
 * payload of 200 bytes that is itself JSON and holds the same number.
 */

#include <stddef.h>
#include <stdint.h>

struct buf;

enum {
	TASK_DIGITS = 9,
	TASK_ID_LEN = 2 + TASK_DIGITS,
	TASK_PAYLOAD_LEN = 200,
	TASK_PAYLOAD_DIGITS_AT = 30 /* where the number stands in it */
};

void task_add_id(struct buf *b, uint32_t number);
void task_add_payload(struct buf *b, uint32_t number);
/* The payload as a JSON string, with its quotes. */
void task_add_payload_string(struct buf *b, uint32_t number);

/* The number of an id or a payload, from its first digit on. */
uint32_t task_number(const char *digits);

#endif
