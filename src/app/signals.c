#include "app/signals.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define EXIT_SIGNAL 128

static const int stops[] = {SIGINT, SIGTERM, SIGHUP};
#define STOPS (sizeof(stops) / sizeof(stops[0]))

static void on_early(int number)
{
	static const char text[] = "prtip: interrupted before the scan began\n";
	(void)!write(2, text, sizeof(text) - 1);
	_exit(EXIT_SIGNAL + number);
}

static bool is_ignored(int number)
{
	struct sigaction now;
	return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

static int handle(const struct signals *s, void (*handler)(int number))
{
	struct sigaction act = {.sa_handler = handler};
	for (unsigned i = 0; i < STOPS; i++)
		if (sigismember(&s->stops, stops[i]) && sigaction(stops[i], &act, NULL))
			return -errno;
	return 0;
}

int signals_begin(struct signals *s, struct err_text *e)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	*s = (struct signals){.fd = -1};
	sigemptyset(&s->stops);
	for (unsigned i = 0; i < STOPS; i++)
		if (!is_ignored(stops[i]))
			sigaddset(&s->stops, stops[i]);
	int rc = handle(s, on_early);
	if (rc == 0 && (sigaction(SIGPIPE, &ignore, &s->pipe_before) || sigaction(SIGXFSZ, &ignore, NULL)))
		rc = -errno;
	return rc ? err_set(e, rc, "cannot set up signals: %s", err_name(rc)) : 0;
}

int signals_open(struct signals *s, struct err_text *e)
{
	int rc = -pthread_sigmask(SIG_BLOCK, &s->stops, &s->before);
	if (rc)
		return err_set(e, rc, "cannot block signals: %s", err_name(rc));
	s->fd = signalfd(-1, &s->stops, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->fd < 0) {
		rc = -errno;
		pthread_sigmask(SIG_SETMASK, &s->before, NULL);
		return err_set(e, rc, "cannot set up signals: %s", err_name(rc));
	}
	return 0;
}

int signals_asked(const struct signals *s)
{
	sigset_t pending;
	if (sigpending(&pending))
		return 0;
	for (unsigned i = 0; i < STOPS; i++)
		if (sigismember(&s->stops, stops[i]) && sigismember(&pending, stops[i]))
			return stops[i];
	return 0;
}

void signals_close(struct signals *s)
{
	struct signalfd_siginfo info;
	while (read(s->fd, &info, sizeof(info)) == sizeof(info))
		; // they must not strike when unblocked
	close(s->fd);
	s->fd = -1;
	(void)!handle(s, SIG_DFL);
	sigaction(SIGPIPE, &s->pipe_before, NULL);
	pthread_sigmask(SIG_SETMASK, &s->before, NULL);
}
