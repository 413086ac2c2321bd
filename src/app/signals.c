#include "app/signals.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/signalfd.h>
#include <unistd.h>

static bool is_ignored(int number)
{
	struct sigaction now;
	return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

static int block_wanted(struct signals *s, sigset_t *wanted)
{
	static const int stops[] = {SIGINT, SIGTERM, SIGHUP};
	sigemptyset(wanted);
	for (unsigned i = 0; i < sizeof(stops) / sizeof(stops[0]); i++)
		if (!is_ignored(stops[i]))
			sigaddset(wanted, stops[i]);
	sigaddset(wanted, SIGWINCH);
	return -pthread_sigmask(SIG_BLOCK, wanted, &s->before);
}

int signals_open(struct signals *s, struct err_text *e)
{
	sigset_t wanted;
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	s->last = 0;
	s->fd = -1;
	int rc = block_wanted(s, &wanted);
	if (rc)
		return err_set(e, rc, "cannot block signals: %s", err_name(rc));
	s->fd = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->fd < 0 || sigaction(SIGPIPE, &ignore, &s->pipe_before)) {
		rc = -errno;
		if (s->fd >= 0)
			close(s->fd);
		pthread_sigmask(SIG_SETMASK, &s->before, NULL);
		return err_set(e, rc, "cannot set up signals: %s", err_name(rc));
	}
	return 0;
}

enum signal_event signals_next(struct signals *s)
{
	struct signalfd_siginfo info;
	if (read(s->fd, &info, sizeof(info)) != sizeof(info))
		return SIGNAL_NONE;
	if (info.ssi_signo == SIGWINCH)
		return SIGNAL_WINDOW;
	s->last = (int)info.ssi_signo;
	return SIGNAL_STOP;
}

void signals_close(struct signals *s)
{
	while (signals_next(s) != SIGNAL_NONE)
		; // they must not strike when unblocked
	close(s->fd);
	sigaction(SIGPIPE, &s->pipe_before, NULL);
	pthread_sigmask(SIG_SETMASK, &s->before, NULL);
}
