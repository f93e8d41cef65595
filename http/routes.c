/* The route table; nothing else. Sorted by pattern, then method. Every row
 * stands in openapi.json and docs/api.md too: tests/lint/openapi.py. */

#include "http/route.h"

#include "http/api.h"

enum { KIB = 1024, MIB = 1024 * 1024 };
#define SETTING UINT64_MAX /* http.max_body */

/* clang-format off */
static const struct route routes[] = {
	{METHOD_GET,    "/healthz",                       api_health,            ROLE_ANY,      SCOPE_NONE,  0,        "", "is the process alive"},
	{METHOD_GET,    "/metrics",                       api_metrics,           ROLE_VIEWER,   SCOPE_LIST,  0,        "", "all numbers as Prometheus text"},
	{METHOD_GET,    "/readyz",                        api_ready,             ROLE_ANY,      SCOPE_NONE,  0,        "", "are pushes accepted"},
	{METHOD_GET,    "/v1/audit",                      api_audit_list,        ROLE_ADMIN,    SCOPE_ALL,   0,        "after,limit", "who changed what"},
	{METHOD_GET,    "/v1/channels",                   api_channels_list,     ROLE_VIEWER,   SCOPE_LIST,  0,        "", "all channels"},
	{METHOD_GET,    "/v1/channels/{channel}",         api_channels_get,      ROLE_VIEWER,   SCOPE_CHANNEL, 0,      "", "one channel"},
	{METHOD_PATCH,  "/v1/channels/{channel}",         api_channels_set,      ROLE_OPERATOR, SCOPE_CHANNEL, 16 * KIB, "", "pause or resume a channel"},
	{METHOD_POST,   "/v1/channels/{channel}/purge",   api_bad_purge,         ROLE_OPERATOR, SCOPE_CHANNEL, MIB,    "", "drop rows of the quarantine"},
	{METHOD_GET,    "/v1/channels/{channel}/quarantine", api_bad_list,       ROLE_VIEWER,   SCOPE_CHANNEL, 0,      "after,limit", "rows that the database refused"},
	{METHOD_GET,    "/v1/channels/{channel}/quarantine/{id}", api_bad_get,   ROLE_VIEWER,   SCOPE_CHANNEL, 0,      "", "one row that the database refused"},
	{METHOD_PATCH,  "/v1/channels/{channel}/quarantine/{id}", api_bad_edit,  ROLE_OPERATOR, SCOPE_CHANNEL, 2 * MIB, "", "mend a row of the quarantine"},
	{METHOD_POST,   "/v1/channels/{channel}/retry",   api_bad_retry,         ROLE_OPERATOR, SCOPE_CHANNEL, MIB,    "", "bring rows of the quarantine again"},
	{METHOD_POST,   "/v1/channels/{channel}/rows",    api_rows,              ROLE_SENDER,   SCOPE_CHANNEL, SETTING, "wait,wait_s", "hand over one row or many"},
	{METHOD_GET,    "/v1/config",                     api_config_get,        ROLE_ADMIN,    SCOPE_ALL,   0,        "", "all settings, their values and where those come from"},
	{METHOD_PATCH,  "/v1/config",                     api_config_set,        ROLE_ADMIN,    SCOPE_ALL,   16 * KIB, "", "change levels of the log at run time"},
	{METHOD_POST,   "/v1/decrypt",                    api_decrypt,           ROLE_ADMIN,    SCOPE_ALL,   MIB,      "", "read values of encrypted columns"},
	{METHOD_POST,   "/v1/encrypt",                    api_encrypt,           ROLE_SENDER,   SCOPE_LIST,  MIB,      "", "encrypt values as a channel does"},
	{METHOD_GET,    "/v1/errors",                     api_errors,            ROLE_KNOWN,    SCOPE_NONE,  0,        "", "the error table"},
	{METHOD_GET,    "/v1/openapi.json",               api_openapi,           ROLE_KNOWN,    SCOPE_NONE,  0,        "", "this API described in OpenAPI 3"},
	{METHOD_GET,    "/v1/queues",                     api_queues_list,       ROLE_VIEWER,   SCOPE_LIST,  0,        "", "all queues"},
	{METHOD_DELETE, "/v1/queues/{queue}",             api_queues_remove,     ROLE_OPERATOR, SCOPE_QUEUE, 0,        "force", "remove a queue with its tasks and its policy"},
	{METHOD_GET,    "/v1/queues/{queue}",             api_queues_get,        ROLE_VIEWER,   SCOPE_QUEUE, 0,        "", "one queue"},
	{METHOD_PATCH,  "/v1/queues/{queue}",             api_queues_set,        ROLE_OPERATOR, SCOPE_QUEUE, 16 * KIB, "", "change a queue's policy, pause or resume it"},
	{METHOD_POST,   "/v1/queues/{queue}/extend",      api_extend,            ROLE_WORKER,   SCOPE_QUEUE, MIB,      "", "renew leases"},
	{METHOD_DELETE, "/v1/queues/{queue}/move",        api_move_undo,         ROLE_ADMIN,    SCOPE_QUEUE, 0,        "", "take a queue's move back"},
	{METHOD_GET,    "/v1/queues/{queue}/move",        api_move_get,          ROLE_VIEWER,   SCOPE_QUEUE, 0,        "", "how far a queue's move is"},
	{METHOD_POST,   "/v1/queues/{queue}/move",        api_move_start,        ROLE_ADMIN,    SCOPE_QUEUE, 16 * KIB, "", "move a queue to another backend"},
	{METHOD_POST,   "/v1/queues/{queue}/purge",       api_tasks_purge,       ROLE_OPERATOR, SCOPE_QUEUE, MIB,      "", "remove many tasks"},
	{METHOD_POST,   "/v1/queues/{queue}/report",      api_report,            ROLE_WORKER,   SCOPE_QUEUE, SETTING,  "", "report tasks finished or failed"},
	{METHOD_POST,   "/v1/queues/{queue}/retry",       api_tasks_retry,       ROLE_OPERATOR, SCOPE_QUEUE, MIB,      "", "put many tasks back to todo"},
	{METHOD_POST,   "/v1/queues/{queue}/take",        api_take,              ROLE_WORKER,   SCOPE_QUEUE, SETTING,  "", "take tasks under a lease"},
	{METHOD_GET,    "/v1/queues/{queue}/tasks",       api_tasks_list,        ROLE_VIEWER,   SCOPE_QUEUE, 0,        "state,limit,after,match,error_match,older_s,worker", "a page of tasks of one state"},
	{METHOD_POST,   "/v1/queues/{queue}/tasks",       api_push,              ROLE_PRODUCER, SCOPE_QUEUE, SETTING,  "", "push one task or many"},
	{METHOD_DELETE, "/v1/queues/{queue}/tasks/{id}",  api_tasks_remove,      ROLE_OPERATOR, SCOPE_QUEUE, 0,        "", "remove one task"},
	{METHOD_GET,    "/v1/queues/{queue}/tasks/{id}",  api_tasks_get,         ROLE_VIEWER,   SCOPE_QUEUE, 0,        "", "one task, whole"},
	{METHOD_GET,    "/v1/relays",                     api_relays_list,       ROLE_VIEWER,   SCOPE_LIST,  0,        "", "all relays"},
	{METHOD_GET,    "/v1/relays/{relay}",             api_relays_get,        ROLE_VIEWER,   SCOPE_LIST,  0,        "", "one relay"},
	{METHOD_GET,    "/v1/stats",                      api_stats,             ROLE_VIEWER,   SCOPE_LIST,  0,        "", "sums, rates and the state of the parts"},
	{METHOD_GET,    "/v1/tokens",                     api_tokens_list,       ROLE_ADMIN,    SCOPE_ALL,   0,        "", "all access tokens"},
	{METHOD_POST,   "/v1/tokens",                     api_tokens_add,        ROLE_ADMIN,    SCOPE_ALL,   16 * KIB, "", "make an access token"},
	{METHOD_DELETE, "/v1/tokens/{token}",             api_tokens_remove,     ROLE_ADMIN,    SCOPE_ALL,   0,        "", "end an access token"},
	{METHOD_GET,    "/v1/version",                    api_version,           ROLE_KNOWN,    SCOPE_NONE,  0,        "", "which schedd this is"},
	{METHOD_GET,    "/v1/workers",                    api_workers_list,      ROLE_VIEWER,   SCOPE_ALL,   0,        "", "the workers that were heard of"},
	{METHOD_DELETE, "/v1/workers/{worker}",           api_workers_remove,    ROLE_ADMIN,    SCOPE_ALL,   0,        "", "forget a worker and take its leases back"},
	{METHOD_GET,    "/v1/workers/{worker}",           api_workers_get,       ROLE_VIEWER,   SCOPE_ALL,   0,        "", "one worker and what it holds"},
	{METHOD_POST,   "/v1/workers/{worker}/heartbeat", api_workers_heartbeat, ROLE_WORKER,   SCOPE_NONE,  16 * KIB, "", "say that a worker lives"},
};
/* clang-format on */

const struct route *
routes_get(size_t *count)
{
	*count = COUNT_OF(routes);
	return routes;
}
