#include "scan/loop.h"

#define LOOP_FDS 4

unsigned loop_wait(const struct loop *l, const int *fds, unsigned n, int64_t wait_ns)
{
	struct pollfd p[LOOP_FDS + 1];
	for (unsigned i = 0; i < n; i++)
		p[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
	p[n] = (struct pollfd){.fd = l->hooks->stop_fd, .events = POLLIN};
	if (wait_ns > LOOP_TICK_NS)
		wait_ns = LOOP_TICK_NS;
	struct timespec t = {.tv_sec = wait_ns / NS_PER_S, .tv_nsec = wait_ns % NS_PER_S};
	if (ppoll(p, n + 1, &t, NULL) <= 0)
		return 0;
	unsigned ready = 0;
	for (unsigned i = 0; i <= n; i++)
		if (p[i].revents)
			ready |= 1u << i;
	return ready;
}
