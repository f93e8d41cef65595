/* Ctrl-C during long work; see interrupt.h. */

#include "cli/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <sys/select.h>

static volatile sig_atomic_t came;

static void
interrupt_on_signal(int number)
{
	(void)number;
	came = 1;
}

void
interrupt_catch(void)
{
	struct sigaction action = {.sa_handler = interrupt_on_signal};

	/* The second signal finds what was there before. */
	action.sa_flags = (int)SA_RESETHAND;
	(void)sigemptyset(&action.sa_mask);
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
}

bool
interrupt_came(void)
{
	return came != 0;
}

bool
interrupt_wait(int fd)
{
	sigset_t ours, before;
	fd_set set;
	int got;

	/* A signal between a look at came and the wait would not end it. */
	(void)sigemptyset(&ours);
	(void)sigaddset(&ours, SIGINT);
	(void)sigaddset(&ours, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &ours, &before);
	FD_ZERO(&set);
	FD_SET(fd, &set);
	got = came ? -1 : pselect(fd + 1, &set, NULL, NULL, NULL, &before);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return got > 0;
}
