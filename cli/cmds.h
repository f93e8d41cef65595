#ifndef SCHEDD_CLI_CMDS_H
#define SCHEDD_CLI_CMDS_H

/* The table of commands and the global options; docs/schedctl.md is held
 * against it by lint. */

#include "cli/args.h"

extern const struct cmd_set cmd_set;

cmd_fn cmd_audit_ls;
cmd_fn cmd_audit_verify;
cmd_fn cmd_channel_ls;
cmd_fn cmd_channel_pause;
cmd_fn cmd_channel_resume;
cmd_fn cmd_channel_show;
cmd_fn cmd_config_get;
cmd_fn cmd_config_set;
cmd_fn cmd_config_show;
cmd_fn cmd_decrypt;
cmd_fn cmd_encrypt;
cmd_fn cmd_errors;
cmd_fn cmd_help;
cmd_fn cmd_key_new;
cmd_fn cmd_ping;
cmd_fn cmd_quarantine_ls;
cmd_fn cmd_quarantine_retry;
cmd_fn cmd_quarantine_rm;
cmd_fn cmd_quarantine_show;
cmd_fn cmd_queue_ls;
cmd_fn cmd_queue_move;
cmd_fn cmd_queue_pause;
cmd_fn cmd_queue_purge;
cmd_fn cmd_queue_resume;
cmd_fn cmd_queue_rm;
cmd_fn cmd_queue_set;
cmd_fn cmd_queue_show;
cmd_fn cmd_relay_ls;
cmd_fn cmd_relay_show;
cmd_fn cmd_stats;
cmd_fn cmd_task_extend;
cmd_fn cmd_task_ls;
cmd_fn cmd_task_push;
cmd_fn cmd_task_report;
cmd_fn cmd_task_retry;
cmd_fn cmd_task_rm;
cmd_fn cmd_task_show;
cmd_fn cmd_task_take;
cmd_fn cmd_token_add;
cmd_fn cmd_token_ls;
cmd_fn cmd_token_rm;
cmd_fn cmd_top;
cmd_fn cmd_version;
cmd_fn cmd_worker_ls;
cmd_fn cmd_worker_rm;
cmd_fn cmd_worker_show;

#endif
