// The program: the only place that exits the process.
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "app/options.h"
#include "app/run.h"
#include "base/log.h"
#include "config/parse.h"

#define TEXT_CAP (1u << 20)

static int print_text(const struct log *log, int (*make)(struct buf *b))
{
	struct buf b;
	buf_init(&b, TEXT_CAP);
	int err = make(&b);
	size_t at = 0;
	while (!err && at < b.len) {
		ssize_t n = write(1, b.data + at, b.len - at);
		if (n <= 0)
			err = ERR_TRUNCATED;
		else
			at += (size_t)n;
	}
	buf_free(&b);
	if (err)
		log_error(log, "cannot write standard output: %s", err_name(err));
	return err ? EXIT_FAILED : EXIT_DONE;
}

static int make_version(struct buf *b)
{
	return buf_puts(b, "prtip " PRTIP_VERSION "\n");
}

static int completion(const struct log *log, enum config_shell shell)
{
	struct buf b;
	buf_init(&b, TEXT_CAP);
	int err = options_completion(&b, shell);
	if (!err && fwrite(b.data, 1, b.len, stdout) != b.len)
		err = ERR_TRUNCATED;
	if (fflush(stdout))
		err = ERR_TRUNCATED;
	buf_free(&b);
	if (err)
		log_error(log, "cannot write standard output: %s", err_name(err));
	return err ? EXIT_FAILED : EXIT_DONE;
}

// Closed at the start, the numbers of the standard streams would go to sockets and files, and reports and
// diagnostics into those. What is put there can neither be read (0) nor written (1, 2).
static bool fill_standard_streams(void)
{
	struct pollfd p[3] = {{.fd = 0}, {.fd = 1}, {.fd = 2}};
	if (poll(p, 3, 0) <= 0)
		return true;
	for (int fd = 0; fd < 3; fd++)
		if ((p[fd].revents & POLLNVAL) && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
			return false;
	return true;
}

int main(int argc, char *argv[])
{
	if (!fill_standard_streams())
		return EXIT_FAILED;
	struct log log = {.level = LOG_INFO, .fd = 2};
	struct settings s;
	struct config_line *line = NULL;
	struct err_text e;
	int err = options_read(&s, &line, argc, argv, &e);
	if (err) {
		log_error(&log, "%s", e.text);
		return EXIT_USAGE;
	}
	int status;
	if (s.misc.help)
		status = print_text(&log, options_help);
	else if (s.misc.version)
		status = print_text(&log, make_version);
	else if (s.misc.man)
		status = print_text(&log, options_man);
	else if (s.misc.completion_given)
		status = completion(&log, (enum config_shell)s.misc.completion);
	else
		status = run_scan(&s, argc, argv);
	config_line_free(line);
	return status;
}
