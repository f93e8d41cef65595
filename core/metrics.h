#ifndef SCHEDD_CORE_METRICS_H
#define SCHEDD_CORE_METRICS_H

/*
 * Numbers about the process, kept in memory. metrics.def is the table: every
 * family's name, kind, label and help, also of those whose values live
 * elsewhere (per queue: the store fills them in when the page is built).
 * docs/metrics.md is held against it by lint.
 */

#include <stdint.h>

#include "core/buf.h"

enum metric {
#define M(id, name, kind, labels, help) METRIC_##id,
#include "core/metrics.def"
#undef M
	METRIC_COUNT
};

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* Families without labels. */
void metric_add(enum metric m, uint64_t n);
void metric_set(enum metric m, double value);
uint64_t metric_value(enum metric m);

/* Histograms with one label: a small fixed set of series, made once (the
 * label's text is copied). Returns its slot; the same text gives the same
 * slot; past 64 series all further ones share the slot "other". */
unsigned metric_series(enum metric m, const char *label_value);
/* seconds goes into the buckets of that slot (0 for one without label). */
void metric_observe(enum metric m, unsigned slot, double seconds);

/* Counters and gauges with one label, the same way. */
void metric_add_series(enum metric m, unsigned slot, uint64_t n);
void metric_set_series(enum metric m, unsigned slot, double value);

/* Reading back: the label's value of a slot, NULL past the last one that was
 * made ("other" is left out); what a counter or gauge holds in that slot. */
const char *metric_label(enum metric m, unsigned slot);
double metric_read_series(enum metric m, unsigned slot);

/* The Prometheus text of one family that lives here: HELP, TYPE, samples. */
void metric_print(enum metric m, struct buf *out);
/* HELP and TYPE only, and one sample, for families whose values the caller
 * holds. labels is the ready text between the braces, "" for none. */
void metric_print_head(enum metric m, struct buf *out);
void metric_print_sample(
    enum metric m, const char *labels, double value, struct buf *out);
/* Escapes a label value for the page: \\ \" \n. */
void metric_print_escaped(struct span value, struct buf *out);

struct metric_row {
	const char *name;
	enum metric_kind kind;
	const char *labels; /* comma separated names, "" for none */
	const char *help;
};
const struct metric_row *metric_row(enum metric m);

#endif
