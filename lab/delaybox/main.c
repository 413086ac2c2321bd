// delaybox: carries packets between two interfaces, late, at a limited rate, and not all of them.
//
// 	delaybox [--seed N] link A B [both|out|back WORD…]… [link …]
//
// A and B are tun:NAME or packet:NAME, with @NETNS in another network namespace; `out` is the way from A to
// B. The words are those of words.c. Says "ready" when all ends are open; counts go to standard output at
// SIGUSR1 and at the end.

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "endpoint.h"
#include "lane.h"
#include "words.h"

enum {
	MAX_LINKS = 32,
	SLOTS = 131072 // per direction: 150 ms at 800,000 a second
};

struct link {
	const char *names[2];
	struct fate_params params[2];
	struct endpoint ends[2];
	struct lane lanes[2]; // lanes[0] leads from ends[0] to ends[1]
};

struct box {
	struct link links[MAX_LINKS];
	int link_count;
	uint64_t seed;
	int signal_fd, stop_fd;
};

static int usage(const char *what)
{
	fprintf(stderr,
		"delaybox: %s\nusage: delaybox [--seed N] link A B [both|out|back KEY=VALUE...]... [link "
		"...]\n",
		what);
	return -EINVAL;
}

static int parse_seed(struct box *box, const char *text)
{
	char *end;

	if (!text)
		return usage("--seed needs a number");
	errno = 0;
	box->seed = strtoull(text, &end, 0);
	if (end == text || *end || errno)
		return usage("--seed needs a number");
	return 0;
}

static int parse_word(struct link *link, const char *word, int *first, int *last)
{
	if (!link)
		return usage("words before the first link");
	if (strcmp(word, "both") == 0 || strcmp(word, "out") == 0 || strcmp(word, "back") == 0) {
		*first = strcmp(word, "back") == 0;
		*last = strcmp(word, "out") != 0;
		return 0;
	}
	for (int i = *first; i <= *last; i++)
		if (words_apply(&link->params[i], word) < 0)
			return -EINVAL;
	return 0;
}

static int parse(struct box *box, char **argv)
{
	struct link *link = NULL;
	int first = 0, last = 1;

	for (argv++; *argv; argv++) {
		if (strcmp(*argv, "--seed") == 0) {
			if (parse_seed(box, argv[1]) < 0)
				return -EINVAL;
			argv++;
		} else if (strcmp(*argv, "link") == 0) {
			if (box->link_count == MAX_LINKS || !argv[1] || !argv[2])
				return usage("a link needs two ends (and there may be 32 links)");
			link = &box->links[box->link_count++];
			link->names[0] = *++argv;
			link->names[1] = *++argv;
			first = 0;
			last = 1;
		} else if (parse_word(link, *argv, &first, &last) < 0) {
			return -EINVAL;
		}
	}
	return box->link_count ? 0 : usage("no link");
}

static int open_link(struct box *box, int number)
{
	struct link *link = &box->links[number];

	for (int i = 0; i < 2; i++) {
		struct lane *lane = &link->lanes[i];
		int rc = endpoint_open(&link->ends[i], link->names[i]);

		if (rc == 0)
			rc = path_open(&lane->path, &link->params[i], SLOTS,
				       box->seed ^ (uint64_t)(number * 2 + i + 1) << 32);
		if (rc < 0)
			return rc;
		lane->from = &link->ends[i];
		lane->to = &link->ends[1 - i];
		lane->stop_fd = box->stop_fd;
	}
	return 0;
}

static int open_box(struct box *box)
{
	sigset_t set;
	int rc = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	box->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	box->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (box->signal_fd < 0 || box->stop_fd < 0)
		return -errno;
	for (int i = 0; rc == 0 && i < box->link_count; i++)
		rc = open_link(box, i);
	for (int i = 0; rc == 0 && i < box->link_count * 2; i++)
		rc = lane_start(&box->links[i / 2].lanes[i % 2]);
	return rc;
}

static void print_counts(const struct box *box)
{
	for (int i = 0; i < box->link_count * 2; i++) {
		const struct link *link = &box->links[i / 2];
		const struct path_counts *c = &link->lanes[i % 2].path.counts;

		// Each count on its own: packets go on meanwhile.
		printf("%s -> %s: came %" PRIu64 ", lost %" PRIu64 ", queue full %" PRIu64
		       ", no slot %" PRIu64 ", went %" PRIu64 ", refused %" PRIu64 ", under way %" PRIu64
		       ", too long %" PRIu64 "\n",
		       link->names[i % 2], link->names[1 - i % 2], c->came, c->lost, c->queue_full,
		       c->no_slot, c->went, c->refused, c->under_way, c->too_long);
	}
	fflush(stdout);
}

// Whether to go on.
static bool handle_signal(struct box *box)
{
	struct signalfd_siginfo info;

	if (read(box->signal_fd, &info, sizeof(info)) != sizeof(info) || info.ssi_signo != SIGUSR1)
		return false;
	print_counts(box);
	return true;
}

static int run(struct box *box)
{
	for (;;) {
		struct pollfd fds[2] = {{.fd = box->signal_fd, .events = POLLIN},
					{.fd = box->stop_fd, .events = POLLIN}};

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return -errno;
		if (fds[1].revents || (fds[0].revents && !handle_signal(box)))
			return 0;
	}
}

// Ends every lane. Returns the error of one that had ended of itself.
static int stop_lanes(struct box *box)
{
	const uint64_t one = 1;
	int rc = 0;

	if (write(box->stop_fd, &one, sizeof(one)) != sizeof(one))
		return -errno;
	for (int i = 0; i < box->link_count * 2; i++) {
		struct lane *lane = &box->links[i / 2].lanes[i % 2];

		lane_join(lane);
		if (lane->error < 0) {
			fprintf(stderr, "delaybox: %s\n", box->links[i / 2].names[i % 2]);
			rc = lane->error;
		}
	}
	return rc;
}

static void close_box(struct box *box)
{
	for (int i = 0; i < box->link_count * 2; i++) {
		endpoint_close(&box->links[i / 2].ends[i % 2]);
		path_close(&box->links[i / 2].lanes[i % 2].path);
	}
	if (box->signal_fd >= 0)
		close(box->signal_fd);
	if (box->stop_fd >= 0)
		close(box->stop_fd);
}

int main(int argc, char **argv)
{
	static struct box box = {.seed = 1, .signal_fd = -1, .stop_fd = -1};
	int rc, stopped = 0;

	if (argc < 1 || parse(&box, argv) < 0)
		return 2;
	rc = open_box(&box);
	if (rc == 0) {
		puts("ready");
		fflush(stdout);
		rc = run(&box);
	}
	if (box.stop_fd >= 0)
		stopped = stop_lanes(&box);
	rc = rc < 0 ? rc : stopped;
	if (rc == 0)
		print_counts(&box);
	else
		fprintf(stderr, "delaybox: %s\n", strerror(-rc));
	close_box(&box);
	return rc < 0;
}
