/* The error table made into arrays; see err.def. */

#include "core/err.h"

#include "core/buf.h"

enum { ADVICE_MAX = 4096 };

static const struct err_info table[ERR_COUNT] = {
    [ERR_OK] = {"OK", "ok", -1, 200},
#define E(num, name, http, text) [ERR_##name] = {#name, text, num, http},
#include "core/err.def"
#undef E
};

/* A number used twice, or above 999, does not compile. */
static const short by_number[1000] = {
#define E(num, name, http, text) [num] = ERR_##name,
#include "core/err.def"
#undef E
};

const struct err_info *
err_info(enum err e)
{
	if ((unsigned)e >= ERR_COUNT)
		e = ERR_BUG;
	return &table[e];
}

enum err
err_by_number(int number)
{
	if (number < 0 || number > 999)
		return ERR_OK;
	return (enum err)by_number[number];
}

bool
err_is_retryable(enum err e)
{
	int http = err_info(e)->http;

	return http == 408 || http == 429 || http == 503 || http == 504 ||
	       http == 507;
}

void
err_print_table(struct buf *out)
{
	struct buf advice;

	buf_init(&advice, ADVICE_MAX);
	buf_add_str(out, "{\"errors\":[");
	for (int e = ERR_OK + 1; e < ERR_COUNT; e++) {
		const struct err_info *info = err_info((enum err)e);

		buf_addf(out,
		    "%s{\"code\":%d,\"name\":\"%s\",\"http\":%d,\"text\":",
		    e == ERR_OK + 1 ? "" : ",", info->number, info->name,
		    info->http);
		buf_add_json(out, span_of(info->text));
		buf_addf(out, ",\"retryable\":%s,\"advice\":",
		    err_is_retryable((enum err)e) ? "true" : "false");
		buf_reset(&advice, ADVICE_MAX);
		err_add_advice(&advice, (enum err)e);
		buf_add_json(out, buf_span(&advice));
		buf_add_char(out, '}');
	}
	buf_add_str(out, "]}");
	buf_clear(&advice);
}
