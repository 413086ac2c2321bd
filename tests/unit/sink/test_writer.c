#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sink/writer.h"

static void test_only_whole_lines_are_written(void **state)
{
	(void)state;
	int p[2];
	struct writer w;
	char got[64] = "";

	assert_int_equal(pipe(p), 0);
	assert_int_equal(writer_open(&w, p[1], NULL), 0);
	writer_puts(&w, "one\n");
	assert_int_equal(writer_commit(&w), 0);
	writer_puts(&w, "tw");
	assert_int_equal(writer_flush(&w), 0);
	assert_int_equal(read(p[0], got, sizeof(got)), 4);
	assert_memory_equal(got, "one\n", 4);
	writer_printf(&w, "%c%s", 'o', "\n");
	assert_int_equal(writer_close(&w), 0);
	assert_int_equal(read(p[0], got, sizeof(got)), 4);
	assert_memory_equal(got, "two\n", 4);
	assert_int_equal(read(p[0], got, sizeof(got)), 0); // closed
	close(p[0]);
}

struct reader {
	int fd;
	uint64_t bytes, lines;
};

static void *slow_reader(void *arg)
{
	struct reader *r = arg;
	char block[777];
	ssize_t n;

	while ((n = read(r->fd, block, sizeof(block))) > 0) {
		r->bytes += (uint64_t)n;
		for (ssize_t i = 0; i < n; i++)
			r->lines += block[i] == '\n';
	}
	return NULL;
}

// Short writes and EAGAIN: a pipe of one page, non-blocking, and a reader that takes odd pieces.
static void test_short_writes(void **state)
{
	(void)state;
	int p[2];
	struct writer w;
	struct reader r = {0};
	pthread_t thread;
	uint64_t want = 0;

	assert_int_equal(pipe2(p, O_NONBLOCK), 0);
	assert_int_equal(fcntl(p[0], F_SETFL, 0), 0);
	fcntl(p[1], F_SETPIPE_SZ, 4096);
	r.fd = p[0];
	assert_int_equal(pthread_create(&thread, NULL, slow_reader, &r), 0);
	assert_int_equal(writer_open(&w, p[1], NULL), 0);
	for (int i = 0; i < 20000; i++) {
		writer_printf(&w, "line %d with some text\n", i);
		want++;
		assert_int_equal(writer_commit(&w), 0);
	}
	assert_int_equal(writer_close(&w), 0);
	pthread_join(thread, NULL);
	close(p[0]);
	assert_int_equal(r.lines, want);
}

static void test_errors_are_kept(void **state)
{
	(void)state;
	struct writer w;

	assert_int_equal(writer_open(&w, open("/dev/full", O_WRONLY | O_CLOEXEC), NULL), 0);
	writer_puts(&w, "x\n");
	assert_int_equal(writer_commit(&w), 0);
	assert_int_equal(writer_flush(&w), -ENOSPC);
	writer_puts(&w, "y\n");
	assert_int_equal(writer_commit(&w), -ENOSPC);
	assert_int_equal(writer_close(&w), -ENOSPC);

	int p[2];
	assert_int_equal(pipe(p), 0);
	close(p[0]);
	assert_int_equal(writer_open(&w, p[1], NULL), 0);
	writer_puts(&w, "x\n");
	assert_int_equal(writer_close(&w), -EPIPE);

	assert_int_equal(writer_open(&w, 999, NULL), 0); // never opened
	writer_puts(&w, "x\n");
	assert_int_equal(writer_close(&w), -EBADF);
}

// A reader that takes nothing: with a stop asked for, the writer gives up instead of waiting for ever, and
// what did go out ends with a whole line.
static void test_a_stop_ends_the_waiting(void **state)
{
	(void)state;
	int p[2], stop[2];
	struct writer w;
	static char got[1 << 20];

	assert_int_equal(pipe(p), 0);
	assert_int_equal(pipe(stop), 0);
	fcntl(p[1], F_SETPIPE_SZ, 4096);
	assert_int_equal(write(stop[1], "x", 1), 1);
	assert_int_equal(writer_open(&w, p[1], &stop[0]), 0);
	for (int i = 0; i < 2000 && !w.error; i++) {
		writer_printf(&w, "line %d with some text\n", i);
		(void)!writer_commit(&w);
	}
	assert_int_equal(writer_close(&w), ERR_INTERRUPTED);
	ssize_t n = read(p[0], got, sizeof(got));
	assert_true(n > 3000 && n <= 4096);
	assert_int_equal(got[n - 1], '\n');
	close(p[0]);
	close(stop[0]);
	close(stop[1]);
}

struct full {
	rlim_t room;    // bytes that the file may have
	int lines;      // of 100 bytes each
	bool has_lines; // some are left
	bool has_end;
};

// In a child process: a limit on the size of files stands in for the disk's end.
static void fill(const struct full *f, int fd)
{
	struct rlimit lim = {f->room, f->room};
	struct writer w;

	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &lim) || writer_open(&w, fd, NULL))
		_exit(1);
	writer_printf(&w, "%-99s\n", "head");
	(void)!writer_commit(&w);
	for (int i = 0; i < f->lines; i++) {
		writer_printf(&w, "line %-94d\n", i);
		(void)!writer_commit(&w);
	}
	writer_ending(&w);
	writer_printf(&w, "%-99s\n", "end");
	(void)!writer_commit(&w);
	_exit(writer_close(&w) == -EFBIG ? 0 : 1);
}

static void test_a_full_disk_leaves_a_whole_document(void **state)
{
	(void)state;
	static const struct full rows[] = {
		{100000, 2000, true, true}, // full while lines are written
		{100050, 2000, true, true}, // in the middle of a line
		{20000, 250, true, true},   // full only when everything is written at the end
		{25150, 250, true, true},   // for the end alone there is no room
		{4000, 100, false, true},   // no room but for the head and the end
		{50, 100, false, false},    // not even that
	};
	static char got[1 << 20];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		FILE *f = tmpfile();
		int status;
		assert_non_null(f);
		pid_t pid = fork();
		if (pid == 0)
			fill(&rows[i], fileno(f));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		ssize_t n = pread(fileno(f), got, sizeof(got), 0);
		fclose(f);
		assert_true(n <= (ssize_t)rows[i].room);
		if (!rows[i].has_end)
			continue;
		assert_int_equal(n % 100, 0);
		if (rows[i].has_lines) // no more is given up than must be
			assert_true(n >= (ssize_t)rows[i].room - 9000);
		assert_memory_equal(got, "head ", 5);
		assert_memory_equal(got + n - 100, "end ", 4);
		for (ssize_t at = 100; at < n - 100; at += 100)
			assert_memory_equal(got + at, "line ", 5);
		assert_int_equal(n > 200, rows[i].has_lines);
	}
}

static void test_long_lines(void **state)
{
	(void)state;
	struct writer w;
	static char block[1 << 20];

	memset(block, 'a', sizeof(block));
	assert_int_equal(writer_open(&w, open("/dev/null", O_WRONLY | O_CLOEXEC), NULL), 0);
	for (int i = 0; i < 64; i++)
		writer_put(&w, block, sizeof(block));
	assert_int_equal(w.error, 0);
	writer_put(&w, block, 1); // 64 MiB is the most that a line may have
	assert_int_equal(w.error, ERR_LIMIT);
	assert_int_equal(writer_close(&w), ERR_LIMIT);
}

static void test_text_is_escaped(void **state)
{
	(void)state;
	int p[2];
	struct writer w;
	char got[2048], name[400];

	assert_int_equal(pipe(p), 0);
	assert_int_equal(writer_open(&w, p[1], NULL), 0);
	writer_text(&w, "a\x1b[2J");
	writer_puts(&w, "|");
	memset(name, '\x01', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	writer_text(&w, name);
	writer_puts(&w, "|");
	writer_hex(&w, (const uint8_t[]){0, 0xab}, 2);
	assert_int_equal(writer_close(&w), 0);
	ssize_t n = read(p[0], got, sizeof(got));
	close(p[0]);
	assert_int_equal(n, 8 + 1 + 4 * 255 + 1 + 4);
	assert_memory_equal(got, "a\\x1b[2J|\\x01", 13);
	assert_memory_equal(got + n - 5, "|00ab", 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_whole_lines_are_written),
		cmocka_unit_test(test_short_writes),
		cmocka_unit_test(test_errors_are_kept),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_a_stop_ends_the_waiting),
		cmocka_unit_test(test_a_full_disk_leaves_a_whole_document),
		cmocka_unit_test(test_text_is_escaped),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
