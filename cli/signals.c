/* Being asked to stop; see signals.h. */

#include "cli/signals.h"

#include <fcntl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/mem.h"

void
signals_open(struct signals *s)
{
	static const int asked[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction ignore = {.sa_handler = SIG_IGN}, now;
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < COUNT_OF(asked); i++)
		if (sigaction(asked[i], NULL, &now) == 0 &&
		    now.sa_handler != SIG_IGN)
			(void)sigaddset(&set, asked[i]);
	(void)sigaction(SIGPIPE, &ignore, NULL);
	ASSERT(sigprocmask(SIG_BLOCK, &set, &s->before) == 0);
	s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	ASSERT(s->fd >= 0);
}

void
signals_close(struct signals *s)
{
	(void)close(s->fd);
	s->fd = -1;
	(void)sigprocmask(SIG_SETMASK, &s->before, NULL);
}

unsigned
signals_take(struct signals *s)
{
	struct signalfd_siginfo info;
	unsigned count = 0;

	while (read(s->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		count++;
	return count;
}
