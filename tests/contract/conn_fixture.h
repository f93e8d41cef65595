#ifndef SCHEDD_TESTS_CONTRACT_CONN_FIXTURE_H
#define SCHEDD_TESTS_CONTRACT_CONN_FIXTURE_H

/*
 * One redis_conn on a loop, with scripts of the tests' own, and answers that
 * check the promise on the way: exactly one, never within the call.
 */

#include "tests/contract/harness.h"

#include "core/conf.h"
#include "core/loop.h"
#include "store/redis_conn.h"

/* What the tests' scripts do, by the rows that they borrow: LLEN of its key;
 * RPUSH to its key, replying the length. */
#define TEST_READ SCRIPT_TICK
#define TEST_WRITE SCRIPT_PUSH

struct fixture {
	struct loop *loop;
	struct conf_redis conf;
	struct redis_conn *conn;
	unsigned ready, lost, hopeless, closed;
	enum err hopeless_err;
	char reason[256]; /* the last one told */
	bool in_call;     /* a command is being given at this moment */
};

struct answer {
	struct fixture *fixture;
	unsigned count;
	enum err err;
	long long integer;
	char text[64];
};

/* The loop and the settings; the connection comes with fixture_open. */
void fixture_init(struct fixture *f);
void fixture_open(struct fixture *f, const char *url, const char *password);
/* And runs until it is READY. */
void fixture_open_ready(
    struct fixture *f, const char *url, const char *password);
/* Closes, checks that nothing comes after that, frees. */
void fixture_close(struct fixture *f);
void fixture_clear(struct fixture *f);

/* Run until READY the n-th time; until an answer is there; until the n-th
 * loss; until a person is asked for. Each fails the test when it takes longer
 * than LIMIT_MS. */
void wait_ready(struct fixture *f, unsigned n);
void wait_lost(struct fixture *f, unsigned n);
void wait_hopeless(struct fixture *f);
void wait_answer(struct answer *a);
/* Until all of n answers are there. */
void wait_answers(struct answer *a, size_t n);

/* Give one command. TEST_WRITE: value is pushed to key. */
void give_script(struct fixture *f, struct answer *a, enum script_id id,
    const char *key, const void *value, size_t len);
void give_write(
    struct fixture *f, struct answer *a, const char *key, const char *value);
void give_read(struct fixture *f, struct answer *a, const char *key);
/* A plain command of words, ended by NULL. */
void give_words(struct fixture *f, struct answer *a, enum redis_kind kind, ...);

#endif
