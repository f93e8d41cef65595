/* The table of commands; nothing else. Sorted by words. */

#include "cli/cmds.h"

/* clang-format off */
static const struct opt globals[] = {
	{.name = "server",   .value = "URL", .help = "http://host:port or unix:/path (SCHEDCTL_SERVER; http://127.0.0.1:7070)"},
	{.name = "token-file", .value = "FILE", .help = "the file that holds your token (SCHEDCTL_TOKEN_FILE)"},
	{.name = "ca",       .value = "FILE", .help = "trust servers that this PEM file's certificates signed (SCHEDCTL_CA)"},
	{.name = "cert",     .value = "FILE", .help = "show this certificate; its key is in the same file (SCHEDCTL_CERT)"},
	{.name = "json",     .help = "the server's answer as one JSON document"},
	{.name = "quiet",    .letter = 'q', .help = "no headings, sums, summaries and progress"},
	{.name = "no-color", .help = "no colours (so does NO_COLOR)"},
	{.name = "timeout",  .value = "S", .help = "how long an answer may take, 30 s unless given"},
	{.name = "help",     .letter = 'h', .help = "this text, or that of the command"},
	{.name = "version",  .letter = 'V', .help = "schedctl's own version"},
	{0},
};

static const struct opt audit_ls_opts[] = {
	{.name = "limit", .value = "N", .help = "at most so many entries, 100 unless given"},
	{.name = "after", .value = "SEQ", .help = "from behind this number on; the last ones unless given"},
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

static const struct opt task_ls_opts[] = {
	{.name = "state", .value = "S", .help = "todo (unless given), delayed, doing, failed, finish or dead"},
	{.name = "limit", .value = "N", .help = "at most so many tasks, 100 unless given"},
	{.name = "match", .value = "GLOB", .help = "only ids that match, such as 'mail-*'"},
	{.name = "after", .value = "A", .help = "go on where an earlier list ended"},
	{0},
};

static const struct opt task_push_opts[] = {
	{.name = "id",           .value = "ID", .help = "the task's id; one is made unless given"},
	{.name = "priority",     .value = "P", .help = "high, normal or low"},
	{.name = "delay",        .value = "S", .help = "not before so many seconds have passed (also 10m, 2h)"},
	{.name = "run-at",       .value = "T", .help = "not before this time: 2026-01-02T03:04:05Z, or seconds since 1970"},
	{.name = "max-attempts", .value = "N", .help = "how often it may be handed out"},
	{.name = "replace",      .help = "push again what is finished or dead"},
	{.name = "raw",          .help = "PAYLOAD, or each line, is text and becomes a JSON string"},
	{.name = "tasks",        .help = "each line is a task: {\"id\":...,\"payload\":...}"},
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
	{.name = "worker", .value = "W", .required = true, .help = "who takes them"},
	{.name = "count",  .value = "N", .help = "at most so many tasks, 1 unless given"},
	{.name = "wait",   .value = "S", .help = "wait so long for work, up to 60 s"},
	{.name = "lease",  .value = "S", .help = "how long they may be kept; the queue's lease unless given"},
	{0},
};

static const struct opt token_add_opts[] = {
	{.name = "role",    .value = "R", .required = true, .help = "producer, worker, viewer, operator or admin"},
	{.name = "queue",   .value = "GLOB", .many = true, .help = "on queues that match, all unless given; may be given often"},
	{.name = "expires", .value = "S", .help = "ends by itself after so many seconds (also 12h, 90d)"},
	{0},
};

static const struct cmd cmds[] = {
	{"audit ls",    "",                0, 0, cmd_audit_ls,    audit_ls_opts,    "who changed what"},
	{"audit verify", "",               0, 0, cmd_audit_verify, NULL,            "is the audit trail as it was written?"},
	{"channel ls",  "",                0, 0, cmd_channel_ls,  NULL,             "all channels: state, rows that wait, rows that were refused"},
	{"channel pause", "CHANNEL",       1, 1, cmd_channel_pause, NULL,           "let a channel's rows wait in its spool"},
	{"channel resume", "CHANNEL",      1, 1, cmd_channel_resume, NULL,          "bring them on again"},
	{"channel show", "CHANNEL",        1, 1, cmd_channel_show, NULL,            "one channel: state, numbers, columns"},
	{"errors",      "[CODE]",          0, 1, cmd_errors,      NULL,             "the error table, or one error (310 or E310)"},
	{"help",        "[COMMAND]",       0, 2, cmd_help,        NULL,             "the commands, or one command's options"},
	{"ping",        "",                0, 0, cmd_ping,        NULL,             "is the server ready, and how far away"},
	{"quarantine ls", "CHANNEL",       1, 1, cmd_quarantine_ls, quarantine_ls_opts, "rows that the database refused, and why"},
	{"quarantine retry", "CHANNEL [ID]", 1, 1001, cmd_quarantine_retry, quarantine_act_opts, "bring rows again that were refused"},
	{"quarantine rm", "CHANNEL [ID]",  1, 1001, cmd_quarantine_rm, quarantine_act_opts, "drop rows that were refused"},
	{"quarantine show", "CHANNEL ID",  2, 2, cmd_quarantine_show, NULL,         "one row that was refused, whole"},
	{"queue ls",    "",                0, 0, cmd_queue_ls,    NULL,             "all queues: counts, oldest task, rates"},
	{"queue show",  "QUEUE",           1, 1, cmd_queue_show,  NULL,             "one queue: counts, rates, policy"},
	{"stats",       "",                0, 0, cmd_stats,       NULL,             "the server's numbers"},
	{"task ls",     "QUEUE",           1, 1, cmd_task_ls,     task_ls_opts,     "tasks of one state"},
	{"task push",   "QUEUE [PAYLOAD]", 1, 2, cmd_task_push,   task_push_opts,   "push PAYLOAD (JSON), or one for each line of standard input"},
	{"task report", "QUEUE",           1, 1, cmd_task_report, task_report_opts, "report tasks finished or failed"},
	{"task show",   "QUEUE ID",        2, 2, cmd_task_show,   NULL,             "one task, whole"},
	{"task take",   "QUEUE",           1, 1, cmd_task_take,   task_take_opts,   "take tasks under a lease"},
	{"token add",   "NAME",            1, 1, cmd_token_add,   token_add_opts,   "make an access token and print it, this once"},
	{"token ls",    "",                0, 0, cmd_token_ls,    NULL,             "all access tokens: role, queues, end, last use"},
	{"token rm",    "NAME",            1, 1, cmd_token_rm,    NULL,             "end an access token"},
	{"version",     "",                0, 0, cmd_version,     NULL,             "schedctl's and the server's version"},
};

const struct cmd_set cmd_set = {cmds, COUNT_OF(cmds), globals};
/* clang-format on */
