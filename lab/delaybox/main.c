// delaybox: carries packets between two interfaces, late, at a limited rate, and not all of them.
//
// 	delaybox [--seed N] link A B [both|out|back WORD…]… [link …]
//
// A and B are tun:NAME or packet:NAME, with @NETNS in another network namespace; `out` is the way from A to
// B. The words are those of words.c. Says "ready" when all ends are open; counts go to standard output at
// SIGUSR1 and at the end.

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "endpoint.h"
#include "path.h"
#include "words.h"

enum {
	MAX_LINKS = 32,
	SLOTS = 131072,              // per direction: 150 ms at 800,000 a second
	READS_PER_TURN = 8,          // batches, so that the other direction and the timer get their turn
	GRAIN_NS = 100 * 1000,       // packets due within it go out together
	PATIENT_NS = 2 * 1000 * 1000 // with at least so much delay, packets also come in together
};

struct link {
	const char *names[2];
	struct fate_params params[2];
	struct endpoint ends[2];
	struct path paths[2]; // paths[0] leads from ends[0] to ends[1]
};

struct box {
	struct link links[MAX_LINKS];
	int link_count;
	uint64_t seed;
	int epoll_fd, timer_fd, signal_fd;
	uint64_t armed_ns;
	bool patient;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

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

static int watch(struct box *box, int fd, uint32_t number)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};

	return epoll_ctl(box->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_link(struct box *box, int number)
{
	struct link *link = &box->links[number];

	for (int i = 0; i < 2; i++) {
		int rc = endpoint_open(&link->ends[i], link->names[i]);

		if (rc == 0)
			rc = path_open(&link->paths[i], &link->params[i], SLOTS,
				       box->seed ^ (uint64_t)(number * 2 + i + 1) << 32);
		if (rc == 0)
			rc = watch(box, link->ends[i].fd, (uint32_t)(number * 2 + i));
		if (rc < 0)
			return rc;
	}
	return 0;
}

static bool is_patient(const struct box *box)
{
	for (int i = 0; i < box->link_count * 2; i++) {
		const struct fate_params *p = &box->links[i / 2].params[i % 2];

		if (p->delay_ns - p->jitter_ns < PATIENT_NS)
			return false;
	}
	return true;
}

static int open_box(struct box *box)
{
	sigset_t set;
	int rc;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	box->patient = is_patient(box);
	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	box->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	box->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	box->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (box->signal_fd < 0 || box->timer_fd < 0 || box->epoll_fd < 0)
		return -errno;
	rc = watch(box, box->signal_fd, UINT32_MAX);
	if (rc == 0)
		rc = watch(box, box->timer_fd, UINT32_MAX - 1);
	for (int i = 0; rc == 0 && i < box->link_count; i++)
		rc = open_link(box, i);
	return rc;
}

static void print_counts(const struct box *box)
{
	for (int i = 0; i < box->link_count * 2; i++) {
		const struct link *link = &box->links[i / 2];
		const struct path_counts *c = &link->paths[i % 2].counts;

		printf("%s -> %s: came %" PRIu64 ", lost %" PRIu64 ", queue full %" PRIu64
		       ", no slot %" PRIu64 ", went %" PRIu64 ", refused %" PRIu64
		       ", under way %u, too long %" PRIu64 "\n",
		       link->names[i % 2], link->names[1 - i % 2], c->came, c->lost, c->queue_full,
		       c->no_slot, c->went, c->refused, link->paths[i % 2].heap_count,
		       link->ends[i % 2].too_long);
	}
	fflush(stdout);
}

static int take_in(struct box *box, uint32_t number)
{
	struct link *link = &box->links[number / 2];
	int rc = ENDPOINT_BATCH;

	for (int i = 0; i < READS_PER_TURN && rc == ENDPOINT_BATCH; i++)
		rc = endpoint_read(&link->ends[number % 2], &link->paths[number % 2], now_ns());
	if (rc < 0)
		fprintf(stderr, "delaybox: %s: %s\n", link->names[number % 2], strerror(-rc));
	return rc < 0 ? rc : 0;
}

// Sends what is due on every path; returns when the next packet is.
static uint64_t send_due(struct box *box)
{
	uint64_t next_ns = UINT64_MAX, now = now_ns();

	for (int i = 0; i < box->link_count * 2; i++) {
		struct link *link = &box->links[i / 2];
		struct path *path = &link->paths[i % 2];
		uint32_t slots[ENDPOINT_BATCH], count;

		while ((count = path_due(path, now, ENDPOINT_BATCH, slots)) > 0) {
			endpoint_write(&link->ends[1 - i % 2], path, slots, count);
			path_release(path, slots, count);
		}
		if (path_next_ns(path) < next_ns)
			next_ns = path_next_ns(path);
	}
	return next_ns;
}

static void arm(struct box *box, uint64_t due_ns)
{
	struct itimerspec when = {0};

	if (due_ns != UINT64_MAX)
		due_ns = (due_ns / GRAIN_NS + 1) * GRAIN_NS;
	if (due_ns == box->armed_ns)
		return;
	box->armed_ns = due_ns;
	if (due_ns != UINT64_MAX) {
		when.it_value.tv_sec = (time_t)(due_ns / 1000000000u);
		when.it_value.tv_nsec = (long)(due_ns % 1000000000u);
	}
	timerfd_settime(box->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

// Lets packets gather for half a grain instead of waking for each.
static void gather(void)
{
	struct timespec pause = {.tv_nsec = GRAIN_NS / 2};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
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
	struct epoll_event events[32];
	uint64_t expirations;

	for (;;) {
		int count = epoll_wait(box->epoll_fd, events, 32, -1);

		if (count < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < count; i++) {
			uint32_t number = events[i].data.u32;

			if (number == UINT32_MAX) {
				if (!handle_signal(box))
					return 0;
			} else if (number == UINT32_MAX - 1) {
				if (read(box->timer_fd, &expirations, sizeof(expirations)) > 0)
					box->armed_ns = UINT64_MAX;
			} else if (take_in(box, number) < 0) {
				return -EIO;
			}
		}
		arm(box, send_due(box));
		if (box->patient)
			gather();
	}
}

static void close_box(struct box *box)
{
	for (int i = 0; i < box->link_count * 2; i++) {
		if (box->links[i / 2].ends[i % 2].fd > 0)
			close(box->links[i / 2].ends[i % 2].fd);
		path_close(&box->links[i / 2].paths[i % 2]);
	}
}

int main(int argc, char **argv)
{
	static struct box box = {.seed = 1, .armed_ns = UINT64_MAX};
	int rc;

	if (argc < 1 || parse(&box, argv) < 0)
		return 2;
	rc = open_box(&box);
	if (rc == 0) {
		puts("ready");
		fflush(stdout);
		rc = run(&box);
		print_counts(&box);
	}
	if (rc < 0)
		fprintf(stderr, "delaybox: %s\n", strerror(-rc));
	close_box(&box);
	return rc < 0;
}
