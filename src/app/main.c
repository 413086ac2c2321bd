// The program: the only place that exits the process.
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <unistd.h>

#include "app/options.h"
#include "app/run.h"
#include "base/log.h"
#include "base/write_all.h"
#include "config/parse.h"

#define TEXT_CAP (1u << 20)

// Writes what was made (`err`: or not) to standard output, and frees it. The exit status.
static int print_text(const struct log *log, struct buf *b, int err)
{
	if (!err)
		err = write_all(1, b->data, b->len);
	buf_free(b);
	if (err)
		log_error(log, "cannot write standard output: %s", err_name(err));
	return err ? EXIT_FAILED : EXIT_DONE;
}

// Help and the like: printed instead of a scan. False where none was asked for.
static bool print_asked(const struct settings *s, const struct log *log, int *status)
{
	struct buf b;
	int err;
	buf_init(&b, TEXT_CAP);
	if (s->misc.help)
		err = options_help(&b);
	else if (s->misc.version)
		err = buf_puts(&b, "prtip " PRTIP_VERSION "\n");
	else if (s->misc.man)
		err = options_man(&b);
	else if (s->misc.completion_given)
		err = options_completion(&b, (enum config_shell)s->misc.completion);
	else
		return false;
	*status = print_text(log, &b, err);
	return true;
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
	if (!print_asked(&s, &log, &status))
		status = run_scan(&s, argc, argv);
	config_line_free(line);
	return status;
}
