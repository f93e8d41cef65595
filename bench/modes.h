#ifndef SCHEDD_BENCH_MODES_H
#define SCHEDD_BENCH_MODES_H

/*
 * What the driver can do, one function each. A mode opens no connection that
 * it does not need, prints its figures, and ends when all was answered.
 */

struct load;

/* N tasks by closed-loop producers, one request each under way. */
void mode_push(struct load *l);
/* N tasks taken, none reported; they stay held for mode_finish. */
void mode_take(struct load *l);
/* What mode_take holds is reported finished. */
void mode_finish(struct load *l);
/* N tasks that are queued: take, then report and take, until none is left. */
void mode_turn(struct load *l);
/* Producers and workers at the same time, until N tasks are finished. */
void mode_life(struct load *l);
/* One waiting worker, pushes at a steady rate: push sent to task received. */
void mode_latency(struct load *l);
/* Many waiting workers, N single pushes: each delivered once, and its cost. */
void mode_parked(struct load *l);
/* Connections that have had one answer, held open until stdin has a line. */
void mode_idle(struct load *l);

#endif
