/* Matching of paths against a table of the test's own, and query strings. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/query.h"
#include "http/route.h"

static void
handler(struct req *req)
{
	(void)req;
}

/* clang-format off */
static const struct route table[] = {
	{METHOD_GET,    "/",                        handler, ROLE_ANY, SCOPE_NONE, 0, "", ""},
	{METHOD_GET,    "/healthz",                 handler, ROLE_ANY, SCOPE_NONE, 0, "", ""},
	{METHOD_GET,    "/v1/q",                    handler, ROLE_ANY, SCOPE_NONE, 0, "", ""},
	{METHOD_POST,   "/v1/q/{queue}/take",       handler, ROLE_ANY, SCOPE_QUEUE, 9, "", ""},
	{METHOD_GET,    "/v1/q/{queue}/tasks",      handler, ROLE_ANY, SCOPE_QUEUE, 0, "a,bb", ""},
	{METHOD_POST,   "/v1/q/{queue}/tasks",      handler, ROLE_ANY, SCOPE_QUEUE, 9, "", ""},
	{METHOD_GET,    "/v1/q/{queue}/tasks/{id}", handler, ROLE_ANY, SCOPE_QUEUE, 0, "", ""},
	{METHOD_DELETE, "/v1/q/{queue}/tasks/{id}", handler, ROLE_ANY, SCOPE_QUEUE, 0, "", ""},
	{METHOD_PATCH,  "/v1/w/{worker}",           handler, ROLE_ANY, SCOPE_NONE, 9, "", ""},
};
/* clang-format on */

const struct route *
routes_get(size_t *count)
{
	*count = COUNT_OF(table);
	return table;
}

struct sample {
	unsigned method;
	const char *path;
	enum err err;
	int row;            /* -1: none */
	const char *params; /* "name=value,..." */
};

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* clang-format off */
static const struct sample samples[] = {
	{METHOD_GET,     "/",                        ERR_OK, 0, ""},
	{METHOD_GET,     "/healthz",                 ERR_OK, 1, ""},
	{METHOD_HEAD,    "/healthz",                 ERR_OK, 1, ""},
	{METHOD_OPTIONS, "/healthz",                 ERR_OK, -1, ""},
	{METHOD_POST,    "/healthz",                 ERR_METHOD_NOT_ALLOWED, -1, ""},
	{METHOD_GET,     "/Healthz",                 ERR_ROUTE_UNKNOWN, -1, ""},
	{METHOD_GET,     "/health",                  ERR_ROUTE_UNKNOWN, -1, ""},
	{METHOD_GET,     "/healthzz",                ERR_ROUTE_UNKNOWN, -1, ""},
	{METHOD_OPTIONS, "/nope",                    ERR_ROUTE_UNKNOWN, -1, ""},
	{METHOD_GET,     "/v1/q",                    ERR_OK, 2, ""},
	{METHOD_GET,     "/v1",                      ERR_ROUTE_UNKNOWN, -1, ""},
	{METHOD_GET,     "/v1/q/a",                  ERR_ROUTE_UNKNOWN, -1, ""},
	{METHOD_POST,    "/v1/q/mail/take",          ERR_OK, 3, "queue=mail"},
	{METHOD_HEAD,    "/v1/q/mail/take",          ERR_METHOD_NOT_ALLOWED, -1, ""},
	{METHOD_GET,     "/v1/q/a.b_c:d@e-F/tasks",  ERR_OK, 4, "queue=a.b_c:d@e-F"},
	{METHOD_HEAD,    "/v1/q/a/tasks",            ERR_OK, 4, "queue=a"},
	{METHOD_POST,    "/v1/q/a/tasks",            ERR_OK, 5, "queue=a"},
	{METHOD_PUT,     "/v1/q/a/tasks",            ERR_METHOD_NOT_ALLOWED, -1, ""},
	{METHOD_GET,     "/v1/q/" A64 "/tasks",      ERR_OK, 4, "queue=" A64},
	{METHOD_GET,     "/v1/q/" A64 "a/tasks",     ERR_QUEUE_NAME_BAD, -1, ""},
	{METHOD_GET,     "/v1/q/a+b/tasks",          ERR_QUEUE_NAME_BAD, -1, ""},
	{METHOD_GET,     "/v1/q/a%62/tasks",         ERR_PATH_BAD, -1, ""},
	{METHOD_GET,     "/v1/q/%61/tasks",          ERR_PATH_BAD, -1, ""},
	{METHOD_GET,     "/v1/q/a/tasks/x",          ERR_OK, 6, "queue=a,id=x"},
	{METHOD_DELETE,  "/v1/q/a/tasks/x",          ERR_OK, 7, "queue=a,id=x"},
	{METHOD_DELETE,  "/v1/q/a+/tasks/x",         ERR_QUEUE_NAME_BAD, -1, ""},
	{METHOD_GET,     "/v1/q/a/tasks/%78%2fy",    ERR_OK, 6, "queue=a,id=x/y"},
	{METHOD_GET,     "/v1/q/a/tasks/%2525",      ERR_OK, 6, "queue=a,id=%25"},
	{METHOD_GET,     "/v1/q/a/tasks/%2E%2e",     ERR_OK, 6, "queue=a,id=.."},
	{METHOD_GET,     "/v1/q/a/tasks/a+b",        ERR_OK, 6, "queue=a,id=a+b"},
	{METHOD_GET,     "/v1/q/a/tasks/!$&'()*,;=:@~", ERR_OK, 6, "queue=a,id=!$&'()*,;=:@~"},
	{METHOD_GET,     "/v1/q/a/tasks/%22%7B%7d",  ERR_OK, 6, "queue=a,id=\"{}"},
	{METHOD_GET,     "/v1/q/a/tasks/a%20b",      ERR_TASK_ID_BAD, -1, ""},
	{METHOD_GET,     "/v1/q/a/tasks/%00",        ERR_TASK_ID_BAD, -1, ""},
	{METHOD_GET,     "/v1/q/a/tasks/a%00b",      ERR_TASK_ID_BAD, -1, ""},
	{METHOD_GET,     "/v1/q/a/tasks/%C3%A4",     ERR_TASK_ID_BAD, -1, ""},
	{METHOD_GET,     "/v1/q/a/tasks/%7f",        ERR_TASK_ID_BAD, -1, ""},
	{METHOD_GET,     "/v1/q/a/tasks/%",          ERR_PATH_BAD, -1, ""},
	{METHOD_GET,     "/v1/q/a/tasks/%4",         ERR_PATH_BAD, -1, ""},
	{METHOD_GET,     "/v1/q/a/tasks/a%4",        ERR_PATH_BAD, -1, ""},
	{METHOD_GET,     "/v1/q/a/tasks/%zz",        ERR_PATH_BAD, -1, ""},
	{METHOD_GET,     "/v1/q/a/tasks/%4g",        ERR_PATH_BAD, -1, ""},
	{METHOD_GET,     "/v1/q/a/tasks/{b}",        ERR_PATH_BAD, -1, ""},
	{METHOD_GET,     "/v1/q/a/tasks/a\"b",       ERR_PATH_BAD, -1, ""},
	{METHOD_GET,     "/v1/q/a/tasks/a\\b",       ERR_PATH_BAD, -1, ""},
	{METHOD_PATCH,   "/v1/w/w1",                 ERR_OK, 8, "worker=w1"},
	{METHOD_PATCH,   "/v1/w/w=1",                ERR_WORKER_NAME_BAD, -1, ""},
	{METHOD_GET,     "/v1/w/w=1",                ERR_METHOD_NOT_ALLOWED, -1, ""},
	{METHOD_GET,     "",                         ERR_PATH_BAD, -1, ""},
	{METHOD_GET,     "healthz",                  ERR_PATH_BAD, -1, ""},
	{METHOD_GET,     "//",                       ERR_PATH_BAD, -1, ""},
	{METHOD_GET,     "//healthz",                ERR_PATH_BAD, -1, ""},
	{METHOD_GET,     "/healthz/",                ERR_PATH_BAD, -1, ""},
	{METHOD_GET,     "/healthz//",               ERR_PATH_BAD, -1, ""},
	{METHOD_GET,     "/v1//q",                   ERR_PATH_BAD, -1, ""},
	{METHOD_GET,     "/./healthz",               ERR_PATH_BAD, -1, ""},
	{METHOD_GET,     "/v1/../healthz",           ERR_PATH_BAD, -1, ""},
	{METHOD_GET,     "/healthz/..",              ERR_PATH_BAD, -1, ""},
	{METHOD_GET,     "/..",                      ERR_PATH_BAD, -1, ""},
	{METHOD_GET,     "/%68ealthz",               ERR_PATH_BAD, -1, ""},
	{METHOD_GET,     "/%2e%2e/healthz",          ERR_PATH_BAD, -1, ""},
	{METHOD_GET,     "/nope%41",                 ERR_PATH_BAD, -1, ""},
	{METHOD_GET,     "/a/b/c/d/e/f/g/h/i/j",     ERR_ROUTE_UNKNOWN, -1, ""},
	{METHOD_GET,     "/v1/q/a/tasks/x/y/z/1/2",  ERR_ROUTE_UNKNOWN, -1, ""},
	{METHOD_GET,     "/...",                     ERR_ROUTE_UNKNOWN, -1, ""},
};
/* clang-format on */

static void
print_params(const struct route_match *m, struct buf *out)
{
	for (size_t i = 0; i < m->param_count; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		buf_add_span(out, m->params[i].name);
		buf_add_char(out, '=');
		buf_add_span(out, m->params[i].value);
		assert_int_equal(
		    m->params[i].value.p[m->params[i].value.len], '\0');
	}
}

static void
check(const struct sample *s)
{
	struct arena *arena = arena_new(64 * 1024);
	struct route_match m;
	struct buf got;
	enum err err = route_find(arena, s->method, span_of(s->path), &m);

	buf_init(&got, 4096);
	if (err == ERR_OK)
		print_params(&m, &got);
	if (err != s->err)
		fail_msg("%s: %s instead of %s", s->path, err_info(err)->name,
		    err_info(s->err)->name);
	if (err == ERR_OK && m.route != (s->row < 0 ? NULL : &table[s->row]))
		fail_msg("%s: the wrong row", s->path);
	if (!span_is(buf_span(&got), s->params))
		fail_msg("%s: '%.*s' instead of '%s'", s->path,
		    SPAN_ARG(buf_span(&got)), s->params);
	buf_clear(&got);
	arena_free(arena);
}

static void
test_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(samples); i++)
		check(&samples[i]);
}

static void
test_allowed(void **state)
{
	struct arena *arena = arena_new(4096);
	struct route_match m;

	(void)state;
	assert_int_equal(
	    route_find(arena, METHOD_PUT, SPAN("/v1/q/a/tasks"), &m),
	    ERR_METHOD_NOT_ALLOWED);
	assert_int_equal(
	    m.allowed, METHOD_GET | METHOD_POST | METHOD_HEAD | METHOD_OPTIONS);
	assert_int_equal(
	    route_find(arena, METHOD_OPTIONS, SPAN("/v1/q/a/take"), &m),
	    ERR_OK);
	assert_int_equal(m.allowed, METHOD_POST | METHOD_OPTIONS);
	assert_int_equal(routes_methods(), METHOD_GET | METHOD_POST |
					       METHOD_PATCH | METHOD_DELETE |
					       METHOD_HEAD | METHOD_OPTIONS);
	arena_free(arena);
}

static void
test_arena_is_full(void **state)
{
	struct arena *arena = arena_new(4);
	struct route_match m;

	(void)state;
	assert_int_equal(
	    route_find(arena, METHOD_GET, SPAN("/v1/q/abcdefgh/tasks"), &m),
	    ERR_NO_MEMORY);
	arena_free(arena);
}

static void
test_methods(void **state)
{
	(void)state;
	assert_int_equal(method_parse(SPAN("GET")), METHOD_GET);
	assert_int_equal(method_parse(SPAN("OPTIONS")), METHOD_OPTIONS);
	assert_int_equal(method_parse(SPAN("get")), 0);
	assert_int_equal(method_parse(SPAN("GETS")), 0);
	assert_int_equal(method_parse(SPAN("TRACE")), 0);
	assert_int_equal(method_parse(SPAN("")), 0);
	assert_string_equal(method_name(METHOD_PATCH), "PATCH");
	assert_string_equal(method_name(0), "-");
}

static void
test_table(void **state)
{
	(void)state;
	routes_check();
}

/* ---- query strings ---------------------------------------------------- */

static const struct {
	const char *text;
	enum err err;
	const char *want; /* "name=value,...", or a word of the detail */
} queries[] = {
    {"", ERR_OK, ""},
    {"&", ERR_OK, ""},
    {"a=1", ERR_OK, "a=1"},
    {"a", ERR_OK, "a="},
    {"a=", ERR_OK, "a="},
    {"a==", ERR_OK, "a=="},
    {"a=1&bb=2", ERR_OK, "a=1,bb=2"},
    {"bb=2&&a=1&", ERR_OK, "bb=2,a=1"},
    {"%61=%31", ERR_OK, "a=1"},
    {"a=x+y%20z%2B", ERR_OK, "a=x y z+"},
    {"a=%26%3d", ERR_OK, "a=&="},
    {"a=%c3%a4", ERR_OK, "a=\xc3\xa4"},
    {"a=?/", ERR_OK, "a=?/"},
    {"c=1", ERR_QUERY_BAD, "'c'"},
    {"A=1", ERR_QUERY_BAD, "'A'"},
    {"b=1", ERR_QUERY_BAD, "'b'"},
    {"bbb=1", ERR_QUERY_BAD, "'bbb'"},
    {"a,bb=1", ERR_QUERY_BAD, "'a,bb'"},
    {"=1", ERR_QUERY_BAD, "''"},
    {"a=1&a=1", ERR_QUERY_BAD, "'a': given twice"},
    {"a=1&%61=2", ERR_QUERY_BAD, "'a': given twice"},
    {"a=%", ERR_QUERY_BAD, "'a': a percent"},
    {"a=%4", ERR_QUERY_BAD, "'a': a percent"},
    {"a=%zz", ERR_QUERY_BAD, "'a': a percent"},
    {"%zz=1", ERR_QUERY_BAD, "'%zz': a percent"},
    {"a=%00", ERR_QUERY_BAD, "'a'"},
    {"a%00=1", ERR_QUERY_BAD, "'a%00'"},
};

static void
check_query(size_t i)
{
	struct arena *arena = arena_new(64 * 1024);
	char detail[QUERY_DETAIL_MAX];
	struct query q;
	struct buf got;
	enum err err =
	    query_parse(arena, span_of(queries[i].text), "a,bb", &q, detail);

	buf_init(&got, 4096);
	for (size_t k = 0; err == ERR_OK && k < q.count; k++)
		buf_addf(&got, "%s%.*s=%.*s", k > 0 ? "," : "",
		    SPAN_ARG(q.params[k].name), SPAN_ARG(q.params[k].value));
	if (err != queries[i].err)
		fail_msg("%s: %s", queries[i].text, err_info(err)->name);
	if (err == ERR_OK && !span_is(buf_span(&got), queries[i].want))
		fail_msg(
		    "%s: '%.*s'", queries[i].text, SPAN_ARG(buf_span(&got)));
	if (err != ERR_OK && strstr(detail, queries[i].want) == NULL)
		fail_msg("%s: '%s'", queries[i].text, detail);
	buf_clear(&got);
	arena_free(arena);
}

static void
test_queries(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(queries); i++)
		check_query(i);
}

static void
test_query_find(void **state)
{
	struct arena *arena = arena_new(4096);
	char detail[QUERY_DETAIL_MAX];
	struct span value;
	struct query q;

	(void)state;
	assert_int_equal(
	    query_parse(arena, SPAN("bb=x"), "a,bb", &q, detail), ERR_OK);
	assert_true(query_find(&q, SPAN("bb"), &value));
	assert_true(span_is(value, "x"));
	assert_false(query_find(&q, SPAN("a"), &value));
	assert_int_equal(
	    query_parse(arena, SPAN("a=1"), "", &q, detail), ERR_QUERY_BAD);
	arena_free(arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_paths),
	    cmocka_unit_test(test_allowed),
	    cmocka_unit_test(test_arena_is_full),
	    cmocka_unit_test(test_methods),
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_queries),
	    cmocka_unit_test(test_query_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
