#ifndef SCHEDD_TESTS_UNIT_CONF_TEXT_H
#define SCHEDD_TESTS_UNIT_CONF_TEXT_H

/* What the tests of the settings share; cmocka.h comes before it. */

#include <stdlib.h>

#include "core/conf_priv.h"

enum { WHY_MAX = 1024, PAGE_MAX = 1024 * 1024 };

/* The state folder is /h/.local/state/schedd. */
static inline int
set_up(void **state)
{
	(void)state;
	unsetenv("STATE_DIRECTORY");
	unsetenv("XDG_STATE_HOME");
	return setenv("HOME", "/h", 1);
}

/* The words of an argument list that ends with NULL. */
static inline size_t
count_words(char *const *args)
{
	size_t n = 0;

	while (args[n] != NULL)
		n++;
	return n;
}

static char *const no_args[] = {NULL};

/* The settings of a text that is right, as file a.conf. */
static inline struct conf *
load_ok(const char *text, char *const *args)
{
	struct conf *c;
	struct buf why;
	enum err err;

	buf_init(&why, WHY_MAX);
	err = conf_load_text(
	    &c, "a.conf", span_of(text), args, count_words(args), &why);
	if (err != ERR_OK)
		fail_msg(
		    "%s: %.*s", err_info(err)->name, SPAN_ARG(buf_span(&why)));
	buf_clear(&why);
	return c;
}

/* What conf_print shows; the caller frees it. */
static inline char *
print_text(const struct conf *c)
{
	struct buf out;
	char *text;

	buf_init(&out, PAGE_MAX);
	conf_print(c, &out);
	assert_false(out.failed);
	text = xmemdupz(out.data, out.len);
	buf_clear(&out);
	return text;
}

#endif
