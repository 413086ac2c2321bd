#pragma once

#include <pthread.h>
#include <stdint.h>

#include "endpoint.h"
#include "path.h"

// One direction of a link, carried by a thread of its own: what it touches while it runs is its own, but for
// the two ends, which it only reads.
struct lane {
	const struct endpoint *from, *to;
	struct path path;
	int stop_fd; // an eventfd that is never read: once it is written to, every lane ends
	int error;   // why the lane ended of itself: -errno; to be read after lane_join()
	pthread_t thread;
	bool running;
};

// Starts to carry packets; path, from, to and stop_fd are set. Returns 0 or -errno.
int lane_start(struct lane *lane);

// Waits for the end of a lane, which stop_fd asked for; without effect if it was not started.
void lane_join(struct lane *lane);
