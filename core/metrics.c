/*
 * Numbers about the process; see metrics.h. Memory is taken only when a
 * series or a histogram is made, never when one is counted up.
 */

#include "core/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

enum {
	SERIES_MAX = 64,
	SERIES_OTHER = SERIES_MAX, /* the slot that all further ones share */
	SLOT_COUNT = SERIES_MAX + 1
};

/* Upper bounds in seconds; the last bucket has none. The texts are what the
 * page shows. */
static const struct {
	double bound;
	const char *text;
} buckets[] = {
    {.00025, "0.00025"},
    {.0005, "0.0005"},
    {.001, "0.001"},
    {.002, "0.002"},
    {.005, "0.005"},
    {.01, "0.01"},
    {.025, "0.025"},
    {.05, "0.05"},
    {.1, "0.1"},
    {.25, "0.25"},
    {.5, "0.5"},
    {1, "1"},
    {2.5, "2.5"},
    {5, "5"},
    {10, "10"},
    {30, "30"},
    {60, "60"},
};

struct histogram {
	uint64_t counts[COUNT_OF(buckets) + 1]; /* not cumulative */
	double sum;
};

/* One sample. Counters count in whole; what was set is a double. */
struct series {
	char *label; /* its label's value; NULL: not in use */
	uint64_t count;
	double value;
	struct histogram *histogram;
};

static struct family {
	struct series slots[SLOT_COUNT]; /* [0] is the one without label */
	unsigned used;                   /* without "other" */
} families[METRIC_COUNT];

static const struct metric_row rows[METRIC_COUNT] = {
#define M(id, name, kind, labels, help) \
	[METRIC_##id] = {name, METRIC_##kind, labels, help},
#include "core/metrics.def"
#undef M
};

const struct metric_row *
metric_row(enum metric m)
{
	ASSERT((unsigned)m < METRIC_COUNT);
	return &rows[m];
}

static bool
metric_has_label(enum metric m)
{
	return metric_row(m)->labels[0] != '\0';
}

/* ---- counting --------------------------------------------------------- */

/* A family with a label has only the series that were made. */
static struct series *
series_get(enum metric m, unsigned slot)
{
	struct series *s;

	ASSERT((unsigned)m < METRIC_COUNT && slot < SLOT_COUNT);
	s = &families[m].slots[slot];
	ASSERT(s->label != NULL || (slot == 0 && !metric_has_label(m)));
	return s;
}

static void
series_make(enum metric m, unsigned slot, const char *label)
{
	struct series *s = &families[m].slots[slot];

	s->label = xstrdup(label);
	if (rows[m].kind == METRIC_HISTOGRAM && s->histogram == NULL)
		s->histogram = xcalloc(1, sizeof(*s->histogram));
}

unsigned
metric_series(enum metric m, const char *label_value)
{
	struct family *f = &families[m];
	unsigned slot = 0;

	ASSERT(metric_has_label(m) && strchr(rows[m].labels, ',') == NULL);
	while (slot < f->used && strcmp(f->slots[slot].label, label_value) != 0)
		slot++;
	if (slot < f->used)
		return slot;
	if (f->used == SERIES_MAX || strcmp(label_value, "other") == 0) {
		if (f->slots[SERIES_OTHER].label == NULL)
			series_make(m, SERIES_OTHER, "other");
		return SERIES_OTHER;
	}
	series_make(m, slot, label_value);
	return f->used++;
}

void
metric_add_series(enum metric m, unsigned slot, uint64_t n)
{
	series_get(m, slot)->count += n;
}

void
metric_set_series(enum metric m, unsigned slot, double value)
{
	struct series *s = series_get(m, slot);

	s->count = 0;
	s->value = value;
}

void
metric_add(enum metric m, uint64_t n)
{
	metric_add_series(m, 0, n);
}

void
metric_set(enum metric m, double value)
{
	metric_set_series(m, 0, value);
}

uint64_t
metric_value(enum metric m)
{
	const struct series *s = series_get(m, 0);

	return s->count + (s->value > 0 ? (uint64_t)s->value : 0);
}

const char *
metric_label(enum metric m, unsigned slot)
{
	ASSERT(metric_has_label(m));
	return slot < families[m].used ? families[m].slots[slot].label : NULL;
}

double
metric_read_series(enum metric m, unsigned slot)
{
	const struct series *s = series_get(m, slot);

	return s->value + (double)s->count;
}

void
metric_observe(enum metric m, unsigned slot, double seconds)
{
	struct series *s = series_get(m, slot);
	size_t i = 0;

	ASSERT(rows[m].kind == METRIC_HISTOGRAM);
	if (isnan(seconds))
		return;
	if (seconds < 0)
		seconds = 0; /* a clock that stepped */
	if (s->histogram == NULL)
		s->histogram = xcalloc(1, sizeof(*s->histogram));
	while (i < COUNT_OF(buckets) && seconds > buckets[i].bound)
		i++;
	s->histogram->counts[i]++;
	s->histogram->sum += seconds;
}

/* ---- the page --------------------------------------------------------- */

void
metric_print_escaped(struct span value, struct buf *out)
{
	const char *p = value.p, *end = value.len > 0 ? p + value.len : p;

	while (p < end) {
		size_t n = utf8_seq_len(p, end);

		if (n == 0)
			buf_add_str(out, "\xef\xbf\xbd"); /* U+FFFD */
		else if (*p == '\n')
			buf_add_str(out, "\\n");
		else if (*p == '"' || *p == '\\')
			buf_addf(out, "\\%c", *p);
		else
			buf_add(out, p, n);
		p += n > 0 ? n : 1;
	}
}

/* Whole numbers as such, others as short as they can be told apart. */
static void
print_value(double value, struct buf *out)
{
	char text[32];

	if (isnan(value)) {
		buf_add_str(out, "NaN");
	} else if (isinf(value)) {
		buf_add_str(out, value > 0 ? "+Inf" : "-Inf");
	} else if (fabs(value) < 9007199254740992.0 && value == floor(value)) {
		buf_addf(out, "%.0f", value + 0.0);
	} else {
		snprintf(text, sizeof(text), "%.15g", value);
		if (strtod(text, NULL) != value)
			snprintf(text, sizeof(text), "%.17g", value);
		buf_add_str(out, text);
	}
}

void
metric_print_sample(
    enum metric m, const char *labels, double value, struct buf *out)
{
	buf_add_str(out, metric_row(m)->name);
	if (labels[0] != '\0')
		buf_addf(out, "{%s}", labels);
	buf_add_char(out, ' ');
	print_value(value, out);
	buf_add_char(out, '\n');
}

void
metric_print_head(enum metric m, struct buf *out)
{
	static const char *const KINDS[] = {"counter", "gauge", "histogram"};
	const struct metric_row *row = metric_row(m);

	buf_addf(out, "# HELP %s %s\n", row->name, row->help);
	buf_addf(out, "# TYPE %s %s\n", row->name, KINDS[row->kind]);
}

/* label="value", or nothing where the family has no label. */
static void
print_label(enum metric m, const struct series *s, struct buf *out)
{
	if (s->label == NULL)
		return;
	buf_addf(out, "%s=\"", rows[m].labels);
	metric_print_escaped(span_of(s->label), out);
	buf_add_char(out, '"');
}

static void
print_bucket(enum metric m, const struct series *s, const char *bound,
    uint64_t count, struct buf *out)
{
	buf_addf(out, "%s_bucket{", rows[m].name);
	print_label(m, s, out);
	buf_addf(out, "%sle=\"%s\"} %" PRIu64 "\n", s->label != NULL ? "," : "",
	    bound, count);
}

/* The name (with _sum or _count), the label and the blank of a sample. */
static void
print_name(
    enum metric m, const struct series *s, const char *suffix, struct buf *out)
{
	buf_addf(out, "%s%s", rows[m].name, suffix);
	if (s->label != NULL) {
		buf_add_char(out, '{');
		print_label(m, s, out);
		buf_add_char(out, '}');
	}
	buf_add_char(out, ' ');
}

static void
print_histogram(enum metric m, const struct series *s, struct buf *out)
{
	static const struct histogram none;
	const struct histogram *h = s->histogram ? s->histogram : &none;
	uint64_t count = 0;

	for (size_t i = 0; i < COUNT_OF(buckets); i++) {
		count += h->counts[i];
		print_bucket(m, s, buckets[i].text, count, out);
	}
	count += h->counts[COUNT_OF(buckets)];
	print_bucket(m, s, "+Inf", count, out);
	print_name(m, s, "_sum", out);
	print_value(h->sum, out);
	buf_add_char(out, '\n');
	print_name(m, s, "_count", out);
	buf_addf(out, "%" PRIu64 "\n", count);
}

static void
print_series(enum metric m, const struct series *s, struct buf *out)
{
	if (rows[m].kind == METRIC_HISTOGRAM) {
		print_histogram(m, s, out);
		return;
	}
	print_name(m, s, "", out);
	if (s->value == 0)
		buf_add_u64(out, s->count);
	else
		print_value(s->value + (double)s->count, out);
	buf_add_char(out, '\n');
}

void
metric_print(enum metric m, struct buf *out)
{
	const struct family *f = &families[m];

	metric_print_head(m, out);
	if (!metric_has_label(m)) {
		print_series(m, &f->slots[0], out);
		return;
	}
	for (unsigned slot = 0; slot < f->used; slot++)
		print_series(m, &f->slots[slot], out);
	if (f->slots[SERIES_OTHER].label != NULL)
		print_series(m, &f->slots[SERIES_OTHER], out);
}
