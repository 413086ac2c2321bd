// io_uring in place of epoll: one poll request per connect that was not answered at once, submitted together
// with the wait.
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "transport/streams_private.h"

#define SQ_ENTRIES 1024

struct poller {
	struct io_uring ring;
	int wake_fd;
	struct io_uring_cqe *cqes[POLLER_EVENTS];
};

// What keeps io_uring from opening, in words.
static int explain(int rc, struct err_text *e)
{
	int disabled = 0;
	FILE *f = fopen("/proc/sys/kernel/io_uring_disabled", "re");
	if (f) {
		// NOLINTNEXTLINE(cert-err34-c): the kernel wrote it
		if (fscanf(f, "%d", &disabled) != 1)
			disabled = 0;
		fclose(f);
	}
	if (rc == -EPERM && disabled)
		return err_set(e, rc, "io_uring is switched off here (sysctl kernel.io_uring_disabled=%d)",
			       disabled);
	if (rc == -ENOSYS)
		return err_set(e, rc, "this kernel has no io_uring");
	if (rc == -EPERM)
		return err_set(e, rc, "io_uring is not permitted (a seccomp filter or security module)");
	return err_set(e, rc, "cannot open io_uring: %s", err_name(rc));
}

static int poller_open(struct poller **out, uint32_t slots, struct err_text *e)
{
	struct poller *p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(e, -ENOMEM, "out of memory");
	p->wake_fd = -1;
	struct io_uring_params params = {
		.flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_COOP_TASKRUN,
		.cq_entries = slots < SQ_ENTRIES ? 2 * SQ_ENTRIES : 2 * slots,
	};
	int rc = io_uring_queue_init_params(SQ_ENTRIES, &p->ring, &params);
	if (rc == -EINVAL) { // before Linux 5.19
		params = (struct io_uring_params){.flags = IORING_SETUP_CLAMP};
		rc = io_uring_queue_init_params(SQ_ENTRIES, &p->ring, &params);
	}
	if (rc < 0) {
		free(p);
		return explain(rc, e);
	}
	*out = p;
	return 0;
}

static int add(struct poller *p, int fd, unsigned events, uint32_t slot)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&p->ring);
	if (!sqe) {
		int rc = io_uring_submit(&p->ring);
		if (rc < 0)
			return rc;
		sqe = io_uring_get_sqe(&p->ring);
		if (!sqe)
			return -EAGAIN;
	}
	io_uring_prep_poll_add(sqe, fd, events);
	io_uring_sqe_set_data64(sqe, slot);
	return 0;
}

static int poller_watch(struct poller *p, int fd, uint32_t slot, bool known)
{
	(void)known;
	return add(p, fd, POLLOUT, slot);
}

static int poller_watch_wake(struct poller *p, int fd)
{
	p->wake_fd = fd;
	return add(p, fd, POLLIN, POLLER_WAKE);
}

static int take(struct poller *p, uint32_t *slots)
{
	unsigned n = io_uring_peek_batch_cqe(&p->ring, p->cqes, POLLER_EVENTS);
	bool wake = false;
	for (unsigned i = 0; i < n; i++) {
		slots[i] = (uint32_t)io_uring_cqe_get_data64(p->cqes[i]);
		wake |= slots[i] == POLLER_WAKE;
	}
	io_uring_cq_advance(&p->ring, n);
	int rc = wake ? add(p, p->wake_fd, POLLIN, POLLER_WAKE) : 0;
	return rc < 0 ? rc : (int)n;
}

static bool is_error(int rc)
{
	return rc < 0 && rc != -ETIME && rc != -EINTR && rc != -EAGAIN && rc != -EBUSY;
}

static int poller_wait(struct poller *p, uint32_t *slots, int64_t timeout_ns)
{
	int rc;
	if (timeout_ns == 0) {
		rc = io_uring_submit_and_get_events(&p->ring);
	} else {
		struct io_uring_cqe *cqe;
		struct __kernel_timespec ts = {.tv_sec = timeout_ns / NS_PER_S,
					       .tv_nsec = timeout_ns % NS_PER_S};
		rc = io_uring_submit_and_wait_timeout(&p->ring, &cqe, 1, timeout_ns < 0 ? NULL : &ts, NULL);
	}
	return is_error(rc) ? rc : take(p, slots);
}

static int poller_fd(const struct poller *p)
{
	return p->ring.ring_fd;
}

static void poller_close(struct poller *p)
{
	io_uring_queue_exit(&p->ring);
	free(p);
}

const struct poller_ops poller_uring = {
	.name = "uring",
	.open = poller_open,
	.watch = poller_watch,
	.watch_wake = poller_watch_wake,
	.wait = poller_wait,
	.fd = poller_fd,
	.close = poller_close,
};

static int uring_open(struct streams **out, const struct streams_config *cfg, struct err_text *e)
{
	return stream_pool_open(out, &poller_uring, cfg, e);
}

const struct streams_ops streams_uring = {
	.name = "uring",
	.open = uring_open,
	.submit = stream_pool_submit,
	.poll = stream_pool_poll,
	.in_flight = stream_pool_in_flight,
	.fd = stream_pool_fd,
	.stats = stream_pool_stats,
	.close = stream_pool_close,
};
