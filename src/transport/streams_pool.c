// The calls of the streams contract over any poller: jobs are dealt out to the workers' rings, results are
// collected from theirs. Without workers the caller's poll drives the one loop.
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "transport/streams_private.h"

#define WORKERS_MAX    64
#define IN_FLIGHT_MAX  65536
#define IN_FLIGHT_AUTO 16384 // when nobody says: about 40 MB of kernel memory
#define SPARE_FDS      32
#define BUDGET_THREAD  64
#define BUDGET_INLINE  256

struct worker {
	struct stream_loop *loop;
	pthread_t thread;
	bool running;
};

struct streams {
	struct stream_maker maker;
	unsigned workers; // loops; at least 1
	bool threaded;
	int notify_fd;
	int outer_fd, timer_fd; // without threads: what fd() hands out
	int64_t timer_ns;       // what timer_fd is set to
	unsigned turn;          // which worker is served first
	uint64_t accepted, delivered;
	_Alignas(64) _Atomic bool armed; // the caller has seen the rings empty: wake it
	bool signalled;                  // notify_fd was written without threads
	struct worker worker[];
};

// ---- limits

static unsigned open_fds(void)
{
	unsigned n = 0;
	DIR *d = opendir("/proc/self/fd");
	if (!d)
		return 16;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static uint32_t fd_limit(void)
{
	struct rlimit lim;
	if (getrlimit(RLIMIT_NOFILE, &lim))
		return 256;
	uint64_t used = open_fds() + SPARE_FDS;
	uint64_t left = lim.rlim_cur > used ? lim.rlim_cur - used : 0;
	if (left < 4)
		return 4; // what is really short is waited out
	return left < IN_FLIGHT_MAX ? (uint32_t)left : IN_FLIGHT_MAX;
}

static uint32_t slots_in_all(const struct streams_config *cfg)
{
	uint32_t limit = fd_limit();
	uint32_t want = cfg->max_in_flight ? cfg->max_in_flight : IN_FLIGHT_AUTO;
	return want < limit ? want : limit;
}

// ---- workers

static void notify(void *ctx, bool room)
{
	struct streams *s = ctx;
	atomic_thread_fence(memory_order_seq_cst);
	if (room || (atomic_load(&s->armed) && atomic_exchange(&s->armed, false)))
		(void)eventfd_write(s->notify_fd, 1);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	while (!stream_loop_stopped(w->loop))
		stream_loop_run(w->loop, BUDGET_THREAD, true);
	return NULL;
}

static int start_threads(struct streams *s, struct err_text *e)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = 0;
	for (unsigned i = 0; i < s->workers && rc == 0; i++) {
		struct worker *w = &s->worker[i];
		stream_loop_on_results(w->loop, notify, s);
		rc = pthread_create(&w->thread, NULL, work, w);
		w->running = rc == 0;
		if (w->running)
			pthread_setname_np(w->thread, "prtip-streams");
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc ? err_set(e, -rc, "cannot start a thread: %s", err_name(-rc)) : 0;
}

// Without threads: one descriptor that is readable for an event, a deadline, or jobs that could start.
static int open_outer(struct streams *s, struct err_text *e)
{
	s->outer_fd = epoll_create1(EPOLL_CLOEXEC);
	s->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	int inner[] = {stream_loop_fd(s->worker[0].loop), s->timer_fd, s->notify_fd};
	for (unsigned i = 0; i < sizeof(inner) / sizeof(inner[0]); i++) {
		struct epoll_event ev = {.events = EPOLLIN};
		if (s->outer_fd < 0 || inner[i] < 0 || epoll_ctl(s->outer_fd, EPOLL_CTL_ADD, inner[i], &ev))
			return err_set(e, -errno, "cannot set up epoll: %s", err_name(-errno));
	}
	return 0;
}

// ---- open and close

static int open_loops(struct streams *s, const struct poller_ops *ops, uint32_t slots, struct err_text *e)
{
	for (unsigned i = 0; i < s->workers; i++) {
		uint32_t share = slots / s->workers + (i < slots % s->workers);
		int rc = stream_loop_open(&s->worker[i].loop, ops, &s->maker, share, e);
		if (rc)
			return rc;
	}
	s->notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->notify_fd < 0)
		return err_set(e, -errno, "cannot open an eventfd: %s", err_name(-errno));
	return s->threaded ? start_threads(s, e) : open_outer(s, e);
}

int stream_pool_open(struct streams **out, const struct poller_ops *ops, const struct streams_config *cfg,
		     struct err_text *e)
{
	uint32_t slots = slots_in_all(cfg);
	unsigned workers = cfg->workers < WORKERS_MAX ? cfg->workers : WORKERS_MAX;
	if (workers > slots)
		workers = slots;
	unsigned loops = workers ? workers : 1;
	size_t bytes = sizeof(struct streams) + loops * sizeof(struct worker);
	struct streams *s = aligned_alloc(64, (bytes + 63) / 64 * 64);
	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	*s = (struct streams){.workers = loops,
			      .threaded = workers > 0,
			      .notify_fd = -1,
			      .outer_fd = -1,
			      .timer_fd = -1,
			      .timer_ns = INT64_MAX,
			      .armed = true};
	for (unsigned i = 0; i < loops; i++)
		s->worker[i] = (struct worker){0};
	int rc = stream_maker_init(&s->maker, cfg, e);
	if (rc == 0)
		rc = open_loops(s, ops, slots, e);
	if (rc) {
		stream_pool_close(s);
		return rc;
	}
	*out = s;
	return 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void stream_pool_close(struct streams *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->workers; i++)
		if (s->worker[i].running)
			stream_loop_stop(s->worker[i].loop);
	for (unsigned i = 0; i < s->workers; i++)
		if (s->worker[i].running)
			pthread_join(s->worker[i].thread, NULL);
	close_fd(s->outer_fd);
	close_fd(s->timer_fd);
	for (unsigned i = 0; i < s->workers; i++)
		if (s->worker[i].loop)
			stream_loop_close(s->worker[i].loop);
	close_fd(s->notify_fd);
	free(s);
}

// ---- jobs and results

unsigned stream_pool_submit(struct streams *s, const struct stream_job *jobs, unsigned n)
{
	unsigned done = 0;
	unsigned share = (n + s->workers - 1) / s->workers;
	// Twice around: what one worker has no room for, another may take.
	for (unsigned i = 0; i < 2 * s->workers && done < n; i++) {
		unsigned part = n - done < share ? n - done : share;
		struct worker *w = &s->worker[s->turn];
		s->turn = (s->turn + 1) % s->workers;
		done += stream_loop_submit(w->loop, jobs + done, part);
	}
	s->accepted += done;
	if (done && !s->threaded && !s->signalled) {
		(void)eventfd_write(s->notify_fd, 1);
		s->signalled = true;
	}
	return done;
}

static unsigned collect(struct streams *s, struct stream_result *r, unsigned max)
{
	unsigned n = 0;
	for (unsigned i = 0; i < s->workers && n < max; i++)
		n += stream_loop_results(s->worker[i].loop, r + n, max - n);
	return n;
}

static void drain(int fd)
{
	uint64_t n;
	if (read(fd, &n, sizeof(n)) < 0)
		return; // nothing in it
}

static unsigned poll_threads(struct streams *s, struct stream_result *r, unsigned max)
{
	unsigned n = collect(s, r, max);
	if (n < max) {
		drain(s->notify_fd);
		atomic_store(&s->armed, true);
		atomic_thread_fence(memory_order_seq_cst);
		n += collect(s, r + n, max - n);
	}
	if (n == max) { // there may be more: fd() stays readable
		atomic_store(&s->armed, false);
		(void)eventfd_write(s->notify_fd, 1);
	}
	return n;
}

static void set_timer(struct streams *s, int64_t due_ns)
{
	if (due_ns == s->timer_ns)
		return;
	s->timer_ns = due_ns;
	struct itimerspec t = {0};
	if (due_ns != INT64_MAX)
		t.it_value = (struct timespec){.tv_sec = due_ns / NS_PER_S, .tv_nsec = due_ns % NS_PER_S};
	(void)timerfd_settime(s->timer_fd, TFD_TIMER_ABSTIME, &t, NULL);
}

static unsigned poll_inline(struct streams *s, struct stream_result *r, unsigned max)
{
	struct worker *w = &s->worker[0];
	if (s->timer_ns <= clock_mono_ns())
		drain(s->timer_fd);
	stream_loop_run(w->loop, BUDGET_INLINE, false);
	unsigned n = collect(s, r, max);
	set_timer(s, stream_loop_next(w->loop));
	bool more = n == max || stream_loop_runnable(w->loop);
	if (more && !s->signalled)
		(void)eventfd_write(s->notify_fd, 1);
	else if (!more && s->signalled)
		drain(s->notify_fd);
	s->signalled = more;
	return n;
}

unsigned stream_pool_poll(struct streams *s, struct stream_result *r, unsigned max)
{
	if (max == 0)
		return 0;
	unsigned n = s->threaded ? poll_threads(s, r, max) : poll_inline(s, r, max);
	s->delivered += n;
	return n;
}

unsigned stream_pool_in_flight(const struct streams *s)
{
	return (unsigned)(s->accepted - s->delivered);
}

int stream_pool_fd(const struct streams *s)
{
	return s->threaded ? s->notify_fd : s->outer_fd;
}

void stream_pool_stats(struct streams *s, struct streams_stats *out)
{
	*out = (struct streams_stats){0};
	for (unsigned i = 0; i < s->workers; i++) {
		const struct stream_counters *c = stream_loop_counters(s->worker[i].loop);
		out->connects += atomic_load_explicit(&c->connects, memory_order_relaxed);
		out->in_flight_max += atomic_load_explicit(&c->in_flight_max, memory_order_relaxed);
		out->waits_fds += atomic_load_explicit(&c->waits_fds, memory_order_relaxed);
		out->waits_ports += atomic_load_explicit(&c->waits_ports, memory_order_relaxed);
		out->not_taken += atomic_load_explicit(&c->not_taken, memory_order_relaxed);
	}
}
