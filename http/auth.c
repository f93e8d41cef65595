/* Who calls; see auth.h. */

#include "http/auth.h"

enum err
auth_check(const struct req *req, const struct auth_caller **caller)
{
	static const struct auth_caller local = {"local", ROLE_ADMIN};

	(void)req;
	*caller = &local;
	return ERR_OK;
}
