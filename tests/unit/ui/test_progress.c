#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "ui/progress.h"

#define WALL_NS (1795550400 * NS_PER_S) // 20:00 UTC

static void test_format(void **state)
{
	(void)state;
	static const struct {
		uint64_t positions, done, open;
		double rate;
		int64_t elapsed_s;
		const char *want;
	} rows[] = {
		{1000, 452, 12, 312000, 10, "45.2 % done; 312,000 probes/s; 12 open; ETA 0:12 (20:00)"},
		{0, 0, 0, 0, 0, "0.0 % done; 0 probes/s; 0 open; ETA unknown"},
		{1000, 0, 0, 1, 5, "0.0 % done; 1 probes/s; 0 open; ETA unknown"},
		{10000, 9999, 1234567, 999.6, 100,
		 "99.9 % done; 1,000 probes/s; 1,234,567 open; ETA 0:00 (20:00)"},
		{10000, 10000, 0, -1, 100, "100.0 % done; 0 probes/s; 0 open; ETA 0:00 (20:00)"},
		{10000, 10001, 0, 5, 100, "100.0 % done; 5 probes/s; 0 open; ETA 0:00 (20:00)"},
		{100, 1, 0, 5, 60, "1.0 % done; 5 probes/s; 0 open; ETA 1:39:00 (21:39)"},
		{1000, 1, 0, 5, 200, "0.1 % done; 5 probes/s; 0 open; ETA 2d 7:30:00 (03:30)"},
		{UINT64_MAX, 1, 0, 5, 200, "0.0 % done; 5 probes/s; 0 open; ETA unknown"},
		{UINT64_MAX, UINT64_MAX / 2, UINT64_MAX, 1e18, 3600,
		 "50.0 % done; 1,000,000,000,000,000,000 probes/s; 18,446,744,073,709,551,615 open; ETA "
		 "1:00:00 "
		 "(21:00)"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scan_counters c = {
			.positions = rows[i].positions, .positions_done = rows[i].done, .open = rows[i].open};
		char out[PROGRESS_LINE_MAX];
		size_t len = progress_format(&c, rows[i].rate, rows[i].elapsed_s * NS_PER_S, WALL_NS, out);
		assert_string_equal(out, rows[i].want);
		assert_int_equal(len, strlen(out));
	}
}

// A terminal hands on what was written to it a little later: wait until nothing more comes.
static size_t take(int fd, char *out, size_t cap)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	size_t len = 0;

	while (len < cap - 1 && poll(&p, 1, 100) > 0) {
		ssize_t n = read(fd, out + len, cap - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	out[len] = '\0';
	return len;
}

static int terminal(int *screen, unsigned short width)
{
	int m = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
	struct termios raw;

	assert_true(m >= 0);
	assert_int_equal(grantpt(m), 0);
	assert_int_equal(unlockpt(m), 0);
	int s = open(ptsname(m), O_RDWR | O_NOCTTY);
	assert_true(s >= 0);
	assert_int_equal(tcgetattr(s, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(s, TCSANOW, &raw), 0);
	assert_int_equal(ioctl(s, TIOCSWINSZ, &(struct winsize){.ws_row = 24, .ws_col = width}), 0);
	*screen = m;
	return s;
}

static void test_not_on_pipes_nor_dumb_terminals(void **state)
{
	(void)state;
	struct scan_counters c = {.positions = 10, .positions_done = 5, .frames = 5};
	char got[512];
	int p[2], screen, tty = terminal(&screen, 80);
	assert_int_equal(pipe2(p, O_NONBLOCK), 0);
	const struct {
		int fd, reader;
		bool enabled;
		const char *term;
	} rows[] = {
		{p[1], p[0], true, "xterm"}, {tty, screen, true, "dumb"},   {tty, screen, true, ""},
		{tty, screen, true, NULL},   {tty, screen, false, "xterm"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct progress pr;
		progress_init(&pr, &(struct progress_config){.fd = rows[i].fd,
							     .enabled = rows[i].enabled,
							     .term = rows[i].term,
							     .stats_every_ns = NS_PER_S});
		progress_update(&pr, &c, 900 * NS_PER_MS, WALL_NS);
		progress_hide(&pr);
		assert_int_equal(take(rows[i].reader, got, sizeof(got)), 0);
		progress_update(&pr, &c, 1000 * NS_PER_MS, WALL_NS); // --stats-every all the same
		take(rows[i].reader, got, sizeof(got));
		assert_string_equal(got, "prtip: 50.0 % done; 5 probes/s; 0 open; ETA 0:01 (20:00)\n");
	}
	close(p[0]);
	close(p[1]);
	close(tty);
	close(screen);
}

static void test_line_on_a_terminal(void **state)
{
	(void)state;
	struct scan_counters c = {.positions = 10, .positions_done = 5, .frames = 100};
	struct progress pr;
	char got[4096];
	int screen, tty = terminal(&screen, 80);

	progress_init(&pr, &(struct progress_config){.fd = tty, .enabled = true, .term = "xterm"});
	for (int64_t ms = 0; ms < 1000; ms += 10)
		progress_update(&pr, &c, ms * NS_PER_MS, WALL_NS);
	take(screen, got, sizeof(got));
	assert_null(strchr(got, '\n'));
	assert_null(strstr(got, "\x1b[1m"));
	unsigned drawn = 0;
	for (const char *at = got; (at = strstr(at, "\r\x1b[Kprtip: ")) != NULL; at++)
		drawn++;
	assert_in_range(drawn, 3, 5);
	progress_hide(&pr);
	take(screen, got, sizeof(got));
	assert_string_equal(got, "\r\x1b[K");
	progress_hide(&pr); // nothing is shown now
	assert_int_equal(take(screen, got, sizeof(got)), 0);

	// A whole line takes the moving one away first, and that comes back at once.
	progress_update(&pr, &c, 2000 * NS_PER_MS, WALL_NS);
	take(screen, got, sizeof(got));
	pr.cfg.stats_every_ns = NS_PER_S;
	progress_update(&pr, &c, 2010 * NS_PER_MS, WALL_NS);
	take(screen, got, sizeof(got));
	assert_memory_equal(got, "\r\x1b[Kprtip: 50.0 %", 17);
	char *line_end = strchr(got, '\n');
	assert_non_null(line_end);
	assert_memory_equal(line_end + 1, "\r\x1b[Kprtip: ", 11);
	close(tty);
	close(screen);
}

static void test_width_and_color(void **state)
{
	(void)state;
	struct scan_counters c = {.positions = 10, .positions_done = 5};
	struct progress pr;
	char got[512];
	int screen, tty = terminal(&screen, 30);

	progress_init(&pr,
		      &(struct progress_config){.fd = tty, .enabled = true, .color = true, .term = "xterm"});
	progress_update(&pr, &c, NS_PER_S, WALL_NS);
	take(screen, got, sizeof(got));
	assert_string_equal(got, "\r\x1b[Kprtip: \x1b[1m50.0 % done; 0 probes/\x1b[0m"); // 29 columns
	assert_int_equal(ioctl(tty, TIOCSWINSZ, &(struct winsize){.ws_row = 24, .ws_col = 9}), 0);
	progress_update(&pr, &c, 2 * NS_PER_S, WALL_NS);
	assert_int_equal(take(screen, got, sizeof(got)), 0);
	close(tty);
	close(screen);
}

static void test_rate(void **state)
{
	(void)state;
	struct scan_counters c = {.positions = 100, .positions_done = 1};
	struct progress pr;
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	progress_init(&pr, &(struct progress_config){.fd = null});
	for (int i = 1; i <= 30; i++) { // 1,000 a second for 3 s, then 50,000
		c.frames += 100;
		progress_update(&pr, &c, i * 100 * NS_PER_MS, WALL_NS);
	}
	assert_int_equal((int)pr.rate_pps, 1000);
	for (int i = 31; i <= 50; i++) {
		c.frames += 5000;
		progress_update(&pr, &c, i * 100 * NS_PER_MS, WALL_NS);
	}
	assert_int_equal((int)pr.rate_pps, 50000);
	close(null);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_not_on_pipes_nor_dumb_terminals),
		cmocka_unit_test(test_line_on_a_terminal),
		cmocka_unit_test(test_width_and_color),
		cmocka_unit_test(test_rate),
	};
	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
