#include "lane.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
	READS_PER_TURN = 16, // batches, then what is due has its turn
	// After a turn that moved packets: the next ones gather, for waking up costs more than carrying one.
	// A lone packet comes after the pause, and goes at once or when it is due.
	PAUSE_NS = 100 * 1000
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// Reads what waits at the near end. Returns how many packets, or -errno.
static int take_in(struct lane *lane)
{
	uint64_t now = now_ns();
	int total = 0;

	for (int i = 0; i < READS_PER_TURN; i++) {
		int count = endpoint_read(lane->from, &lane->path, now);

		if (count < 0)
			return count;
		total += count;
		if (count < ENDPOINT_BATCH)
			break;
	}
	return total;
}

// Sends what is due; returns how many packets.
static uint32_t send_due(struct lane *lane)
{
	uint32_t slots[ENDPOINT_BATCH], count, total = 0;
	uint64_t now = now_ns();

	while ((count = path_due(&lane->path, now, ENDPOINT_BATCH, slots)) > 0) {
		endpoint_write(lane->to, &lane->path, slots, count);
		path_release(&lane->path, slots, count);
		total += count;
	}
	return total;
}

// How long until the next packet is due; NULL for as long as none comes.
static const struct timespec *until_due(const struct path *path, struct timespec *time)
{
	uint64_t due = path_next_ns(path), now;

	if (due == UINT64_MAX)
		return NULL;
	now = now_ns();
	due = due > now ? due - now : 0;
	*time = (struct timespec){(time_t)(due / 1000000000u), (long)(due % 1000000000u)};
	return time;
}

// Until packets come, one is due, or the lane shall end; revents say which. Returns 0 or -errno.
static int wait_for(struct lane *lane, struct pollfd fds[2], bool pause)
{
	const struct timespec length = {.tv_nsec = PAUSE_NS};
	struct timespec time = {0};

	if (pause)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &length, NULL);
	fds[0] = (struct pollfd){.fd = lane->from->in_fd, .events = POLLIN};
	fds[1] = (struct pollfd){.fd = lane->stop_fd, .events = POLLIN};
	if (ppoll(fds, 2, pause ? &time : until_due(&lane->path, &time), NULL) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

static int carry(struct lane *lane)
{
	uint32_t moved = 0;

	for (;;) {
		struct pollfd fds[2];
		int rc = wait_for(lane, fds, moved > 0);

		if (rc < 0 || fds[1].revents)
			return rc;
		if (fds[0].revents)
			rc = take_in(lane);
		if (rc < 0)
			return rc;
		moved = (uint32_t)rc + send_due(lane);
	}
}

static void *run(void *arg)
{
	struct lane *lane = arg;
	const uint64_t one = 1;

	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	lane->error = carry(lane);
	// One that fails ends them all.
	if (lane->error < 0 && write(lane->stop_fd, &one, sizeof(one)) != sizeof(one))
		raise(SIGABRT);
	return NULL;
}

int lane_start(struct lane *lane)
{
	int rc = pthread_create(&lane->thread, NULL, run, lane);

	lane->running = rc == 0;
	return -rc;
}

void lane_join(struct lane *lane)
{
	if (lane->running)
		pthread_join(lane->thread, NULL);
	lane->running = false;
}
