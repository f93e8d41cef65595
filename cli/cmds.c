/* The table of commands; nothing else. Sorted by words. */

#include "cli/cmds.h"

/* clang-format off */
static const struct opt globals[] = {
	{.name = "server",   .value = "URL", .help = "http://host:port or unix:/path (SCHEDCTL_SERVER; http://127.0.0.1:7070)"},
	{.name = "token-file", .value = "FILE", .help = "the file that holds your token (SCHEDCTL_TOKEN_FILE)"},
	{.name = "ca",       .value = "FILE", .help = "trust servers that this PEM file's certificates signed (SCHEDCTL_CA)"},
	{.name = "cert",     .value = "FILE", .help = "show this certificate; its key is in the same file (SCHEDCTL_CERT)"},
	{.name = "json",     .help = "the server's answer as one JSON document (SCHEDCTL_JSON)"},
	{.name = "quiet",    .letter = 'q', .help = "no headings, sums, summaries, hints and progress (SCHEDCTL_QUIET)"},
	{.name = "no-color", .help = "no colours (NO_COLOR)"},
	{.name = "timeout",  .value = "S", .help = "how long an answer may take (SCHEDCTL_TIMEOUT; 30 s)"},
	{.name = "yes",      .letter = 'y', .help = "do not ask before something is removed or retried"},
	{.name = "help",     .letter = 'h', .help = "this text, or that of the command"},
	{.name = "version",  .letter = 'V', .help = "schedctl's own version"},
	{0},
};

static const struct opt audit_ls_opts[] = {
	{.name = "limit", .value = "N", .help = "at most so many entries, 100 unless given"},
	{.name = "after", .value = "SEQ", .help = "from behind this number on; the last ones unless given"},
	{0},
};

static const struct opt audit_verify_opts[] = {
	{.name = "tip", .value = "N:HASH", .help = "what verify printed once: it must still be in the trail"},
	{0},
};

static const struct opt quarantine_act_opts[] = {
	{.name = "all",      .help = "all of them"},
	{.name = "sqlstate", .value = "S", .help = "all that were refused with this SQLSTATE, such as 23503"},
	{0},
};

static const struct opt quarantine_ls_opts[] = {
	{.name = "limit", .value = "N", .help = "at most so many rows, 100 unless given"},
	{.name = "after", .value = "ID", .help = "go on where an earlier list ended"},
	{0},
};

static const struct opt create_opts[] = {
	{.name = "create", .help = "make the queue if it is not there"},
	{0},
};

static const struct opt encrypt_opts[] = {
	{.name = "key", .value = "ID", .help = "with this key instead of the current one"},
	{0},
};

static const struct opt queue_ls_opts[] = {
	{.name = "sort",    .value = "COLUMN", .help = "the greatest first: todo, doing, delayed, failed, dead, finish, oldest, in, out, workers; or by name", .words = "todo doing delayed failed dead finish oldest in out workers name"},
	{.name = "reverse", .letter = 'r', .help = "in the opposite order"},
	{0},
};

static const struct opt queue_move_opts[] = {
	{.name = "to",   .value = "BACKEND", .help = "the [redis \"BACKEND\"] of the server's settings that it is to live on"},
	{.name = "undo", .help = "take back a move that is under way"},
	{0},
};

static const struct opt queue_rm_opts[] = {
	{.name = "force", .help = "with the tasks that it still has"},
	{0},
};

static const struct opt purge_opts[] = {
	{.name = "state",       .value = "S", .help = "todo, doing, delayed, failed, dead, finish, several with commas between, or all", .words = "todo doing delayed failed dead finish all", .list = true},
	{.name = "match",       .value = "GLOB", .help = "only ids that match, such as 'mail-*'"},
	{.name = "error-match", .value = "TEXT", .help = "only those whose last error contains this, whatever its case (failed, dead)"},
	{.name = "older",       .value = "S", .help = "only those that are in their state for longer: 30m, 2h, 7d"},
	{.name = "worker",      .value = "W", .help = "only those that this worker holds (doing) or has finished (finish)"},
	{.name = "limit",       .value = "N", .help = "at most so many"},
	{.name = "dry-run",     .help = "only say how many there are"},
	{0},
};

static const struct opt task_extend_opts[] = {
	{.name = "worker", .value = "W", .required = true, .help = "who holds the tasks"},
	{.name = "lease",  .value = "S", .help = "for so long from now; the queue's lease unless given"},
	{0},
};

static const struct opt task_ls_opts[] = {
	{.name = "state",       .value = "S", .help = "todo (unless given), doing, delayed, failed, dead or finish", .words = "todo doing delayed failed dead finish"},
	{.name = "match",       .value = "GLOB", .help = "only ids that match, such as 'mail-*'"},
	{.name = "error-match", .value = "TEXT", .help = "only those whose last error contains this, whatever its case (failed, dead)"},
	{.name = "older",       .value = "S", .help = "only those that are in their state for longer: 30m, 2h, 7d"},
	{.name = "worker",      .value = "W", .help = "only those that this worker holds (doing) or has finished (finish)"},
	{.name = "limit",       .value = "N", .help = "at most so many tasks, 100 unless given"},
	{.name = "after",       .value = "A", .help = "go on where an earlier list ended"},
	{0},
};

static const struct opt task_retry_opts[] = {
	{.name = "state",       .value = "S", .help = "dead (unless given), failed, delayed, several with commas between, or all", .words = "dead failed delayed all", .list = true},
	{.name = "match",       .value = "GLOB", .help = "only ids that match, such as 'mail-*'"},
	{.name = "error-match", .value = "TEXT", .help = "only those whose last error contains this, whatever its case (failed, dead)"},
	{.name = "older",       .value = "S", .help = "only those that are in their state for longer: 30m, 2h, 7d"},
	{.name = "worker",      .value = "W", .help = "only those that this worker holds (doing) or has finished (finish)"},
	{.name = "limit",       .value = "N", .help = "at most so many"},
	{.name = "dry-run",     .help = "only say how many there are"},
	{0},
};

static const struct opt task_push_opts[] = {
	{.name = "id",           .value = "ID", .help = "the task's id; one is made unless given"},
	{.name = "priority",     .value = "P", .help = "high, normal or low", .words = "high normal low"},
	{.name = "delay",        .value = "S", .help = "not before so many seconds have passed (also 10m, 2h)"},
	{.name = "run-at",       .value = "T", .help = "not before this time: 2026-01-02T03:04:05Z, or seconds since 1970"},
	{.name = "max-attempts", .value = "N", .help = "how often it may be handed out"},
	{.name = "replace",      .help = "push again what is finished or dead"},
	{.name = "file",         .value = "FILE", .many = true, .help = "lines of this file, also packed by gzip; - is standard input; may be given often"},
	{.name = "lines",        .help = "each line is text and becomes a JSON string"},
	{.name = "raw",          .help = "the same, as said of a PAYLOAD: it is text"},
	{.name = "tasks",        .help = "each line is a task: {\"id\":...,\"payload\":...}"},
	{.name = "id-from",      .value = "FIELD", .help = "each line is an object, and this member of it is also the id"},
	{.name = "batch",        .value = "N", .help = "so many tasks a request, 1-1000; 500 unless given"},
	{.name = "parallel",     .value = "N", .help = "so many requests at a time, 1-8; 1, which keeps the order, unless given"},
	{.name = "resume",       .value = "FILE", .help = "note there what is acknowledged, and go on behind it the next time"},
	{.name = "refused",      .value = "FILE", .help = "write the refused lines there, with the reasons"},
	{0},
};

static const struct opt task_report_opts[] = {
	{.name = "worker",   .value = "W", .required = true, .help = "who held the tasks"},
	{.name = "finished", .value = "ID", .many = true, .help = "this task is finished"},
	{.name = "failed",   .value = "ID[=ERROR]", .many = true, .help = "this task failed, and why (an = in the id as \\=)"},
	{.name = "no-retry", .help = "what failed is not to be tried again"},
	{0},
};

static const struct opt task_take_opts[] = {
	{.name = "worker", .value = "W", .help = "who takes them; with a command HOST:PID unless given"},
	{.name = "count",  .value = "N", .help = "at most so many tasks, 1 unless given; with a command: ends after so many"},
	{.name = "wait",   .value = "S", .help = "wait so long for work, up to 60 s; with a command: ends when none came for so long"},
	{.name = "lease",  .value = "S", .help = "how long they may be kept; the queue's lease unless given"},
	{.name = "exec",   .value = "CMD", .help = "run this by /bin/sh for each task; or give a program and its words behind --"},
	{.name = "jobs",   .value = "N", .letter = 'j', .help = "so many commands at a time, 1 unless given, up to 128"},
	{.name = "task-timeout", .value = "S", .help = "end a command that takes longer, and report it failed"},
	{.name = "dead-exit", .value = "N", .many = true, .help = "a command with this exit code is not tried again; 65 unless given; may be given often"},
	{.name = "result", .help = "what a command writes to stdout, if it is one JSON value, is the task's result"},
	{.name = "raw",    .help = "a payload that is a string goes to the command as its text"},
	{.name = "grace",  .value = "S", .help = "on Ctrl-C commands may go on so long, 30 s unless given"},
	{.name = "spool",  .value = "FILE", .help = "keep reports there until the server has taken them; in the state folder unless given"},
	{0},
};

static const struct opt token_add_opts[] = {
	{.name = "role",    .value = "R", .required = true, .help = "producer, worker, viewer, operator or admin", .words = "producer worker viewer operator admin"},
	{.name = "queue",   .value = "GLOB", .many = true, .help = "on queues that match, all unless given; may be given often"},
	{.name = "expires", .value = "S", .help = "ends by itself after so many seconds (also 12h, 90d)"},
	{0},
};

static const struct opt top_opts[] = {
	{.name = "interval", .value = "S", .help = "ask so often, 2 s unless given"},
	{0},
};

static const struct cmd cmds[] = {
	{"audit ls",    "",                0, 0, cmd_audit_ls,    audit_ls_opts,    "who changed what"},
	{"audit verify", "",               0, 0, cmd_audit_verify, audit_verify_opts, "is the audit trail as it was written?"},
	{"channel ls",  "",                0, 0, cmd_channel_ls,  NULL,             "all channels: state, rows that wait, rows that were refused"},
	{"channel pause", "CHANNEL",       1, 1, cmd_channel_pause, NULL,           "let a channel's rows wait in its spool"},
	{"channel resume", "CHANNEL",      1, 1, cmd_channel_resume, NULL,          "bring them on again"},
	{"channel show", "CHANNEL",        1, 1, cmd_channel_show, NULL,            "one channel: state, numbers, columns"},
	{"config get",  "SETTING",         1, 1, cmd_config_get,  NULL,             "the value of one setting"},
	{"config set",  "SETTING LEVEL",   2, 2, cmd_config_set,  NULL,             "change a level of the log at run time"},
	{"config show", "[PREFIX]",        0, 1, cmd_config_show, NULL,             "the server's settings; so does 'config' alone"},
	{"decrypt",     "CHANNEL COLUMN [VALUE...]", 2, 1001, cmd_decrypt, NULL,    "what values of an encrypted column are; those of standard input unless named"},
	{"encrypt",     "CHANNEL COLUMN",  2, 2, cmd_encrypt,     encrypt_opts,     "what a channel would make of the texts of standard input, one a line"},
	{"errors",      "[CODE]",          0, 1, cmd_errors,      NULL,             "the error table, or what one means and what to do (310, E310, QUEUE_UNKNOWN)"},
	{"help",        "[COMMAND]",       0, 2, cmd_help,        NULL,             "the commands, or one command's options"},
	{"key new",     "ID",              1, 1, cmd_key_new,     NULL,             "make a key for the file of encrypted columns and print its line"},
	{"ping",        "",                0, 0, cmd_ping,        NULL,             "is the server ready, and how far away"},
	{"quarantine ls", "CHANNEL",       1, 1, cmd_quarantine_ls, quarantine_ls_opts, "rows that the database refused, and why"},
	{"quarantine retry", "CHANNEL [ID]", 1, 1001, cmd_quarantine_retry, quarantine_act_opts, "bring rows again that were refused"},
	{"quarantine rm", "CHANNEL [ID]",  1, 1001, cmd_quarantine_rm, quarantine_act_opts, "drop rows that were refused"},
	{"quarantine show", "CHANNEL ID",  2, 2, cmd_quarantine_show, NULL,         "one row that was refused, whole"},
	{"queue ls",    "[GLOB]",          0, 1, cmd_queue_ls,    queue_ls_opts,    "all queues: counts, oldest task, rates, workers, what holds them up"},
	{"queue move",  "QUEUE",           1, 1, cmd_queue_move,  queue_move_opts,  "move a queue with its tasks to another backend"},
	{"queue pause", "QUEUE",           1, 1, cmd_queue_pause, create_opts,      "hand out none of its tasks; pushes and reports go on"},
	{"queue purge", "QUEUE",           1, 1, cmd_queue_purge, purge_opts,       "remove the tasks that the options choose"},
	{"queue resume", "QUEUE",          1, 1, cmd_queue_resume, create_opts,     "hand out tasks again"},
	{"queue rm",    "QUEUE",           1, 1, cmd_queue_rm,    queue_rm_opts,    "remove a queue and its policy"},
	{"queue set",   "QUEUE NAME=VALUE...", 2, 16, cmd_queue_set, create_opts,   "set limits, such as lease=2h max_payload=256KiB; lease= takes it back to the file's"},
	{"queue show",  "QUEUE",           1, 1, cmd_queue_show,  NULL,             "one queue: what holds it up, tasks, ages, rates, policy and where it comes from"},
	{"relay ls",    "",                0, 0, cmd_relay_ls,    NULL,             "all relays: state, where tasks go, tasks that wait, tasks handed on"},
	{"relay show",  "RELAY",           1, 1, cmd_relay_show,  NULL,             "one relay: state, numbers, what last went wrong"},
	{"stats",       "",                0, 0, cmd_stats,       NULL,             "the server's numbers: readiness, latency, janitor, queues"},
	{"task extend", "QUEUE ID...",     2, 1001, cmd_task_extend, task_extend_opts, "extend the leases of tasks that a worker holds"},
	{"task ls",     "QUEUE",           1, 1, cmd_task_ls,     task_ls_opts,     "tasks of one state"},
	{"task push",   "QUEUE [PAYLOAD...]", 1, 100000, cmd_task_push, task_push_opts, "push each PAYLOAD (JSON), or each line of files or standard input"},
	{"task report", "QUEUE",           1, 1, cmd_task_report, task_report_opts, "report tasks finished or failed"},
	{"task retry",  "QUEUE [ID...]",   1, 100000, cmd_task_retry, task_retry_opts, "put tasks to todo at once: those that are named, or that the options choose"},
	{"task rm",     "QUEUE [ID...]",   1, 100000, cmd_task_rm, purge_opts,      "remove tasks: those that are named, or that the options choose"},
	{"task show",   "QUEUE ID",        2, 2, cmd_task_show,   NULL,             "one task, whole"},
	{"task take",   "QUEUE [-- CMD...]", 1, 100000, cmd_task_take, task_take_opts, "take tasks under a lease; with a command, work on them"},
	{"token add",   "NAME",            1, 1, cmd_token_add,   token_add_opts,   "make an access token and print it, this once"},
	{"token ls",    "",                0, 0, cmd_token_ls,    NULL,             "all access tokens: role, queues, end, last use"},
	{"token rm",    "NAME",            1, 1, cmd_token_rm,    NULL,             "end an access token"},
	{"top",         "",                0, 0, cmd_top,         top_opts,         "queues, workers and the server, live on the whole screen"},
	{"version",     "",                0, 0, cmd_version,     NULL,             "schedctl's and the server's version"},
	{"worker ls",   "[GLOB]",          0, 1, cmd_worker_ls,   NULL,             "all workers: what they hold, when they were seen"},
	{"worker rm",   "WORKER",          1, 1, cmd_worker_rm,   NULL,             "forget a worker and take its leases back at once"},
	{"worker show", "WORKER",          1, 1, cmd_worker_show, NULL,             "one worker: its last heartbeat, and what it holds in which queue"},
};

const struct cmd_set cmd_set = {cmds, COUNT_OF(cmds), globals};
/* clang-format on */
