// Signals as events, each case in a child process.
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/signals.h"

#define EXPECT(what)                               \
	do {                                       \
		if (!(what))                       \
			_exit(__LINE__ % 250 + 1); \
	} while (0)

static bool is_readable(const struct signals *s)
{
	struct pollfd p = {.fd = s->fd, .events = POLLIN};
	return poll(&p, 1, 0) == 1;
}

static void both(struct signals *s)
{
	struct err_text e;
	EXPECT(signals_begin(s, &e) == 0);
	EXPECT(signals_open(s, &e) == 0);
}

static void body_events(void)
{
	struct signals s;
	static const int stops[] = {SIGINT, SIGTERM, SIGHUP};
	for (unsigned i = 0; i < 3; i++) {
		both(&s);
		EXPECT(!is_readable(&s) && signals_asked(&s) == 0);
		kill(getpid(), SIGWINCH);
		EXPECT(!is_readable(&s));
		kill(getpid(), stops[i]);
		EXPECT(is_readable(&s) && signals_asked(&s) == stops[i]);
		kill(getpid(), stops[i]);
		EXPECT(is_readable(&s) && signals_asked(&s) == stops[i]); // until the end
		signals_close(&s);
	}
}

static void body_ignored(void)
{
	struct signals s;
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	both(&s);
	kill(getpid(), SIGHUP);
	kill(getpid(), SIGINT);
	EXPECT(!is_readable(&s) && signals_asked(&s) == 0);
	kill(getpid(), SIGTERM);
	EXPECT(signals_asked(&s) == SIGTERM);
}

static void body_pipe(void)
{
	struct signals s;
	int fds[2];
	both(&s);
	EXPECT(pipe(fds) == 0);
	close(fds[0]);
	EXPECT(write(fds[1], "x", 1) == -1 && errno == EPIPE);
	signals_close(&s);
	write(fds[1], "x", 1);
	EXPECT(false); // SIGPIPE kills again
}

static void body_restored(void)
{
	struct signals s;
	both(&s);
	kill(getpid(), SIGTERM);
	signals_close(&s); // drops it
	kill(getpid(), SIGINT);
	EXPECT(false); // and this one kills
}

static void body_early(void)
{
	struct signals s;
	struct err_text e;
	EXPECT(signals_begin(&s, &e) == 0);
	close(2); // the line it prints
	kill(getpid(), SIGTERM);
	EXPECT(false);
}

static int status_of(void (*body)(void))
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGHUP, SIG_DFL);
		signal(SIGINT, SIG_DFL);
		signal(SIGPIPE, SIG_DFL);
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void test_signals(void **state)
{
	(void)state;
	assert_int_equal(status_of(body_events), 0);
	assert_int_equal(status_of(body_ignored), 0);
	assert_int_equal(status_of(body_pipe), SIGPIPE);
	assert_int_equal(status_of(body_restored), SIGINT);
	assert_int_equal(status_of(body_early), (128 + SIGTERM) << 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_signals)};
	return cmocka_run_group_tests_name("signals", tests, NULL, NULL);
}
