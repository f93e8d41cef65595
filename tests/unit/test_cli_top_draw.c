/* What schedctl top shows, and what keys do to it. */

#include "top_answers.h"

#include "cli/frame.h"
#include "cli/screen.h"

/* ---- rows -------------------------------------------------------------- */

static const struct queue four[] = {
    {.name = "beta", .todo = 5, .dead = 9},
    {.name = "Alpha", .todo = 50, .oldest_s = 700},
    {.name = "delta", .todo = 500, .dead = 1},
    {.name = "gamma", .todo = 5},
};

/* The names of the rows, in their order. */
static void
assert_rows(const struct top *t, const char *want)
{
	struct buf text;

	buf_init(&text, TEXT_MAX);
	for (size_t i = 0; i < t->row_count; i++) {
		buf_add_str(&text, i > 0 ? " " : "");
		buf_add_span(&text, top_name(t, t->view, t->rows[i]));
	}
	if (!span_is(buf_span(&text), want))
		fail_msg("'%.*s', not '%s'", SPAN_ARG(buf_span(&text)), want);
	buf_clear(&text);
}

static void
press(struct top *t, const char *keys)
{
	for (; *keys != '\0'; keys++)
		assert_int_equal(top_key(t, *keys), TOP_WISH_NOTHING);
}

/* Draws it, so that it is known which columns are shown. */
static void
draw(struct top *t, size_t columns, size_t lines, struct buf *out)
{
	struct frame f;

	frame_init(&f);
	top_draw(t, &f, columns, lines);
	if (out != NULL)
		frame_print(&f, out);
	frame_clear(&f);
}

static void
test_sorting(void **state)
{
	struct top t;

	(void)state;
	top_init(&t);
	round_at(&t, 0, four, 4);
	draw(&t, 200, 50, NULL);
	/* The worst first, of those the one with most to do. */
	assert_rows(&t, "Alpha delta beta gamma");
	press(&t, "s");
	assert_int_equal(t.order[TOP_QUEUES].column, TOP_COL_NAME);
	assert_rows(&t, "Alpha beta delta gamma");
	press(&t, "r");
	assert_rows(&t, "gamma delta beta Alpha");
	press(&t, "s");
	assert_int_equal(t.order[TOP_QUEUES].column, TOP_COL_TODO);
	assert_rows(&t, "delta Alpha beta gamma");
	press(&t, ">>>>");
	assert_int_equal(t.order[TOP_QUEUES].column, TOP_COL_DEAD);
	assert_rows(&t, "beta delta Alpha gamma");
	press(&t, "S");
	assert_int_equal(t.order[TOP_QUEUES].column, TOP_COL_FAILED);
	top_clear(&t);
}

/* Each column that is shown sorts; the others are passed over. */
static void
test_sorting_by_what_is_shown(void **state)
{
	struct top t;
	size_t seen = 0, shown = 0;

	(void)state;
	top_init(&t);
	round_at(&t, 0, four, 4);
	draw(&t, 40, 12, NULL);
	for (size_t i = 0; i < TOP_COLUMNS; i++)
		shown += t.order[TOP_QUEUES].shown[i];
	assert_in_range(shown, 3, 6);
	do {
		press(&t, "s");
		assert_true(
		    t.order[TOP_QUEUES].shown[t.order[TOP_QUEUES].column]);
		seen++;
	} while (t.order[TOP_QUEUES].column != TOP_COL_NOTE && seen < 99);
	assert_int_equal(seen, shown);
	top_clear(&t);
}

static void
test_filter(void **state)
{
	struct top t;

	(void)state;
	top_init(&t);
	round_at(&t, 0, four, 4);
	press(&t, "/A");
	assert_rows(&t, "Alpha delta beta gamma");
	press(&t, "lp");
	assert_rows(&t, "Alpha");
	press(&t, "q\n"); /* a letter like any other */
	assert_rows(&t, "");
	assert_false(t.is_typing);
	assert_null(top_selected(&t));
	press(&t, "/\x1b"); /* Esc clears it */
	assert_rows(&t, "Alpha delta beta gamma");
	press(&t, "/taa");
	(void)top_key(&t, SCREEN_BACKSPACE);
	press(&t, "\n");
	assert_rows(&t, "delta beta");
	round_at(&t, 1, four, 4); /* it stays with the next answers */
	assert_rows(&t, "delta beta");
	press(&t, "\x1b");
	assert_rows(&t, "Alpha delta beta gamma");
	top_clear(&t);
}

static void
test_selection(void **state)
{
	static const struct queue then[] = {
	    {.name = "beta", .todo = 5000}, {.name = "other", .todo = 1}};
	struct top t;

	(void)state;
	top_init(&t);
	round_at(&t, 0, four, 4);
	assert_span(top_selected(&t)->name, "Alpha");
	/* Until somebody moves it, it is the first row, whoever that is. */
	round_at(&t, 1, then, 2);
	assert_span(top_selected(&t)->name, "beta");
	round_at(&t, 2, four, 4);
	press(&t, "jj");
	assert_span(top_selected(&t)->name, "beta");
	round_at(&t, 3, then, 2); /* which is the first one now */
	assert_span(top_selected(&t)->name, "beta");
	assert_int_equal(t.selected, 0);
	round_at(&t, 4, &four[2], 2); /* away, and back */
	round_at(&t, 5, four, 4);
	assert_span(top_selected(&t)->name, "beta");
	press(&t, "jjjjj");
	assert_span(top_selected(&t)->name, "gamma");
	press(&t, "kkkkkkkk");
	assert_int_equal(t.selected, 0);
	press(&t, "G");
	assert_int_equal(t.selected, 3);
	press(&t, "g");
	assert_int_equal(t.selected, 0);
	top_clear(&t);
}

static void
test_other_lists(void **state)
{
	struct top t;

	(void)state;
	top_init(&t);
	round_at(&t, 0, four, 4);
	draw(&t, 120, 40, NULL);
	press(&t, "\t");
	assert_rows(&t, "w1 w2"); /* silent with a task goes first */
	draw(&t, 120, 40, NULL);
	press(&t, "ss");
	assert_rows(&t, "w2 w1"); /* by what they hold */
	press(&t, "r");
	assert_rows(&t, "w1 w2");
	press(&t, "\t");
	assert_rows(&t, "check doing");
	press(&t, "p");
	assert_string_equal(t.message, "only queues can be paused");
	press(&t, "\t");
	assert_int_equal(t.view, TOP_QUEUES);
	top_clear(&t);
}

/* ---- keys -------------------------------------------------------------- */

static void
test_pausing_asks(void **state)
{
	struct top t;

	(void)state;
	top_init(&t);
	round_at(&t, 0, four, 4);
	press(&t, "pn");
	assert_string_equal(t.message, "nothing was changed");
	press(&t, "jp");
	assert_string_equal(t.asked, "delta");
	assert_true(t.will_pause);
	/* The question stands, whatever comes in. */
	round_at(&t, 1, four, 1);
	assert_int_equal(top_key(&t, 'y'), TOP_WISH_PAUSE);
	assert_string_equal(t.asked, "delta");
	top_clear(&t);
}

static void
test_pausing_what_no_server_names(void **state)
{
	static const struct queue odd = {.name = "a\\u001b[2J"};
	struct top t;

	(void)state;
	top_init(&t);
	press(&t, "p");
	assert_string_equal(t.message, "there is no queue to pause");
	round_at(&t, 0, &odd, 1);
	press(&t, "p");
	assert_string_equal(t.asked, "");
	top_clear(&t);
}

static void
test_wishes(void **state)
{
	static const struct {
		int key;
		enum top_wish wish;
	} rows[] = {
	    {'q', TOP_WISH_QUIT},
	    {' ', TOP_WISH_NOW},
	    {SCREEN_CTRL_L, TOP_WISH_REDRAW},
	    {'x', TOP_WISH_NOTHING},
	    {SCREEN_PAGE_DOWN, TOP_WISH_NOTHING},
	};
	struct top t;

	(void)state;
	top_init(&t);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(top_key(&t, rows[i].key), rows[i].wish);
	top_clear(&t);
}

/* ---- pictures ---------------------------------------------------------- */

static void
assert_picture(struct top *t, size_t columns, size_t lines, const char *want)
{
	struct buf text;

	buf_init(&text, TEXT_MAX);
	draw(t, columns, lines, &text);
	if (!span_is(buf_span(&text), want)) {
		print_error("%.*s", SPAN_ARG(buf_span(&text)));
		fail_msg("another picture was expected");
	}
	buf_clear(&text);
}

/* Is it in the picture? */
static void
assert_shows(struct top *t, size_t columns, size_t lines, const char *want)
{
	struct buf text;

	buf_init(&text, TEXT_MAX);
	draw(t, columns, lines, &text);
	buf_add_char(&text, '\0');
	if (strstr(text.data, want) == NULL) {
		print_error("%s", text.data);
		fail_msg("no '%s'", want);
	}
	buf_clear(&text);
}

static void
set_up_picture(struct top *t)
{
	top_init(t);
	t->server_name = "http://127.0.0.1:7070";
	t->interval_ms = 2000;
	(void)snprintf(t->clock, sizeof(t->clock), "12:00:00");
	round_at(t, 0, four, 4);
	round_at(t, 10, four, 4);
}

static void
test_picture(void **state)
{
	struct top t;

	(void)state;
	set_up_picture(&t);
	assert_picture(&t, 80, 19,
	    "schedd 0.1.0 at http://127.0.0.1:7070, up 1m15s               "
	    "every 2s  12:00:00\n"
	    "Queues   4 in all  1 in trouble  0 to watch  0 paused  "
	    "oldest 11m40s\n"
	    "Tasks    560 todo  0 doing  10 dead  0 failed  0 delayed  "
	    "0 finished\n"
	    "Rates    0/s in  0/s out  0/s done  0/s failed\n"
	    "Latency  push 1.2ms, 99% 9.8ms  take 2.5s, 99% 30s  "
	    "report -, 99% -\n"
	    "Server   2 workers  12 takes wait  46 connections  812/s 2xx  "
	    "0/s 4xx  2.0/s 5xx\n"
	    "Store    ready  3 calls under way  0 times lost  janitor ran 2s "
	    "ago  0 errors\n"
	    "\n"
	    "QUEUE     TODO DOING DELAY FAILED  DEAD OLDEST  IN/S OUT/S "
	    "DRAINS  TROUBLE\n"
	    "Alpha       50     -     -      -     - 11m40s     -     -      "
	    "-  no worker 11m\n"
	    "delta      500     -     -      -     1     0s     -     -      "
	    "-\n"
	    "beta         5     -     -      -     9     0s     -     -      "
	    "-\n"
	    "gamma        5     -     -      -     -     0s     -     -      "
	    "-\n"
	    "\n\n\n\n"
	    "Alpha: no worker has taken for 11m40s\n"
	    "q quit  ? help  p pause  / filter  s sort  r reverse  Tab list  "
	    "        1-4 of 4\n");
	top_clear(&t);
}

static void
test_small_picture(void **state)
{
	struct top t;

	(void)state;
	set_up_picture(&t);
	press(&t, "j");
	assert_picture(&t, 40, 8,
	    "schedd 0.1.0 at http://127.0.0.1:7070...\n"
	    "Tasks    560 todo  0 doing  10 dead\n"
	    "QUEUE     TODO OLDEST  TROUBLE\n"
	    "Alpha       50 11m40s  no worker 11m\n"
	    "delta      500     0s\n"
	    "beta         5     0s\n"
	    "gamma        5     0s\n"
	    "q quit  ? help  p pause  / filter\n");
	press(&t, "G");
	assert_picture(&t, 40, 5,
	    "schedd 0.1.0 at http://127.0.0.1:7070...\n"
	    "QUEUE     TODO OLDEST  TROUBLE\n"
	    "beta         5     0s\n"
	    "gamma        5     0s\n"
	    "q quit  ? help  p pause  / filter\n");
	top_clear(&t);
}

static void
test_what_the_picture_says(void **state)
{
	struct top t;

	(void)state;
	set_up_picture(&t);
	assert_shows(&t, 200, 50, "no worker has taken for 11m40s\n");
	assert_shows(&t, 80, 24, "WORKER"); /* where there is room */
	press(&t, "p");
	assert_shows(&t, 80, 24, "pause Alpha? y/n\n");
	assert_shows(&t, 30, 6, "pause Alpha? y/n\n");
	press(&t, "n/xyz");
	assert_shows(&t, 80, 24, "filter: xyz_");
	assert_shows(&t, 80, 24, "nothing here has 'xyz' in its name\n");
	press(&t, "\n");
	assert_shows(&t, 90, 24, "filter 'xyz': 0-0 of 0\n");
	press(&t, "\x1b?");
	assert_shows(&t, 80, 24, "p               pause the selected queue");
	press(&t, "jjjjjjjjjjjjjj");
	assert_shows(&t, 80, 24, "TROUBLE         what is wrong\n");
	press(&t, "x");
	(void)snprintf(t.unreached, sizeof(t.unreached), "Connection refused");
	t.now_us += 12 * SECOND;
	assert_shows(&t, 80, 24, "not reached for 12s: Connection refused\n");
	t.is_refused = true;
	assert_shows(&t, 80, 24, "refused for 12s: Connection refused\n");
	top_clear(&t);
}

static void
test_store_away(void **state)
{
	static const char text[] = "{\"version\":\"1\",\"ready\":false,"
				   "\"reason\":\"Redis\\u001b[2J is "
				   "away\",\"queues\":[]}";
	struct top t;

	(void)state;
	top_init(&t);
	top_begin(&t);
	assert_true(top_read_stats(&t, span_of(text), now_ms()));
	top_no_workers(&t, SPAN("E403 \033[1m"));
	top_commit(&t);
	/* What came from there is harmless here. */
	assert_shows(&t, 80, 24, "takes no pushes: Redis\\x1b[2J is away\n");
	assert_shows(&t, 80, 24, "Store    not ready  ");
	assert_shows(&t, 80, 24, "janitor not run yet");
	assert_shows(&t, 80, 24, "no queues are known yet\n");
	t.data.server.ready = true;
	assert_shows(&t, 80, 24, "no queues yet\n");
	press(&t, "\t");
	assert_shows(&t, 80, 24, "not told: E403 \\x1b[1m\n");
	top_clear(&t);
}

/* Whatever the size: nothing beyond the edges, and the last line has keys. */
static void
test_every_size(void **state)
{
	struct frame f;
	struct top t;

	(void)state;
	set_up_picture(&t);
	frame_init(&f);
	for (size_t columns = 1; columns <= 210; columns++)
		for (size_t lines = 1; lines <= 50;
		     lines += lines < 25 ? 1 : 9) {
			top_draw(&t, &f, columns, lines);
			for (size_t i = 0; i < f.run_count; i++) {
				const struct frame_run *run = &f.runs[i];

				assert_true(run->line < lines);
				assert_true(run->column < columns);
				assert_true(run->column + run->len <= columns);
			}
			t.has_help = columns % 7 == 3;
		}
	frame_clear(&f);
	top_clear(&t);
}

static void
test_one_shot(void **state)
{
	struct top t;

	(void)state;
	set_up_picture(&t);
	t.is_one_shot = true;
	assert_shows(
	    &t, 0, 0, "schedd 0.1.0 at http://127.0.0.1:7070, up 1m15s\n");
	assert_shows(&t, 0, 0, "DRAINS  TROUBLE\n");
	t.is_quiet = true;
	assert_picture(&t, 38, 0,
	    "Alpha       50 11m40s  no worker 11m\n"
	    "delta      500     0s\n"
	    "beta         5     0s\n"
	    "gamma        5     0s\n");
	top_clear(&t);
}

/* ---- frames ------------------------------------------------------------ */

static void
test_frame_cells(void **state)
{
	struct frame f;
	struct buf out;

	(void)state;
	buf_init(&out, TEXT_MAX);
	frame_init(&f);
	frame_begin(&f, 12, 3);
	frame_add_cell(&f, FRAME_PLAIN, SPAN("abcdefgh"), 6, false);
	frame_skip(&f, 1);
	frame_add_cell(&f, FRAME_PLAIN, SPAN("7"), 3, true);
	frame_add(&f, FRAME_PLAIN, SPAN("long"));
	frame_next(&f);
	frame_add(&f, FRAME_PLAIN, SPAN("\xc3\xa4\033"));
	frame_add_right(&f, FRAME_PLAIN, SPAN("end"));
	frame_next(&f);
	frame_add(&f, FRAME_PLAIN, SPAN("0123456789"));
	frame_add_right(&f, FRAME_PLAIN, SPAN("no")); /* it would touch */
	frame_next(&f);
	frame_add(&f, FRAME_PLAIN, SPAN("below the last line"));
	frame_print(&f, &out);
	assert_span(buf_span(&out), "abc...   7lo\n"
				    "\xc3\xa4\\x1b    end\n"
				    "0123456789\n");
	buf_clear(&out);
	frame_clear(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sorting),
	    cmocka_unit_test(test_sorting_by_what_is_shown),
	    cmocka_unit_test(test_filter),
	    cmocka_unit_test(test_selection),
	    cmocka_unit_test(test_other_lists),
	    cmocka_unit_test(test_pausing_asks),
	    cmocka_unit_test(test_pausing_what_no_server_names),
	    cmocka_unit_test(test_wishes),
	    cmocka_unit_test(test_picture),
	    cmocka_unit_test(test_small_picture),
	    cmocka_unit_test(test_what_the_picture_says),
	    cmocka_unit_test(test_store_away),
	    cmocka_unit_test(test_every_size),
	    cmocka_unit_test(test_one_shot),
	    cmocka_unit_test(test_frame_cells),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
