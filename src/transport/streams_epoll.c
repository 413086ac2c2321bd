#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "transport/streams_private.h"

struct poller {
	int fd;
	struct epoll_event events[POLLER_EVENTS];
};

static int poller_open(struct poller **out, uint32_t slots, struct err_text *e)
{
	(void)slots;
	struct poller *p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(e, -ENOMEM, "out of memory");
	p->fd = epoll_create1(EPOLL_CLOEXEC);
	if (p->fd < 0) {
		int rc = -errno;
		free(p);
		return err_set(e, rc, "cannot open epoll: %s", err_name(rc));
	}
	*out = p;
	return 0;
}

static int add(struct poller *p, int fd, uint32_t slot, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.u32 = slot};
	return epoll_ctl(p->fd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

// Edge-triggered and for the life of the descriptor: one epoll_ctl per socket, not per connect.
static int poller_watch(struct poller *p, int fd, uint32_t slot, bool known)
{
	return known ? 0 : add(p, fd, slot, EPOLLOUT | EPOLLET);
}

static int poller_watch_wake(struct poller *p, int fd)
{
	return add(p, fd, POLLER_WAKE, EPOLLIN);
}

static int timeout_ms(int64_t timeout_ns)
{
	if (timeout_ns < 0)
		return -1;
	int64_t ms = (timeout_ns + NS_PER_MS - 1) / NS_PER_MS;
	return ms > 60000 ? 60000 : (int)ms;
}

static int poller_wait(struct poller *p, uint32_t *slots, int64_t timeout_ns)
{
	int n = epoll_wait(p->fd, p->events, POLLER_EVENTS, timeout_ms(timeout_ns));
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++)
		slots[i] = p->events[i].data.u32;
	return n;
}

static int poller_fd(const struct poller *p)
{
	return p->fd;
}

static void poller_close(struct poller *p)
{
	close(p->fd);
	free(p);
}

const struct poller_ops poller_epoll = {
	.name = "epoll",
	.open = poller_open,
	.watch = poller_watch,
	.watch_wake = poller_watch_wake,
	.wait = poller_wait,
	.fd = poller_fd,
	.close = poller_close,
};

static int epoll_open(struct streams **out, const struct streams_config *cfg, struct err_text *e)
{
	return stream_pool_open(out, &poller_epoll, cfg, e);
}

const struct streams_ops streams_epoll = {
	.name = "epoll",
	.open = epoll_open,
	.submit = stream_pool_submit,
	.poll = stream_pool_poll,
	.in_flight = stream_pool_in_flight,
	.fd = stream_pool_fd,
	.stats = stream_pool_stats,
	.close = stream_pool_close,
};
