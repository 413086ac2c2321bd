// One worker's loop. What makes it fast: on Linux a socket whose connect was refused can connect again. A
// first connect(2) returns EINPROGRESS; on loopback and veth the reset has usually come by then, so a second
// one collects ECONNREFUSED and leaves the socket as new, with another local port next time. Only what the
// second one finds still in progress goes to the poller and the timer heap.
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "transport/streams_private.h"

#define JOBS_RING    1024 // jobs taken ahead of the sockets
#define JOBS_BATCH   64
#define OUT_BATCH    64
#define RETRY_NS     (3 * NS_PER_MS) // between tries when the system is short of something
#define SYN_AGAIN_NS NS_PER_S        // the kernel's own retransmission
#define GIVE_UP_NS   (10 * NS_PER_S) // such a shortage with nothing of ours in flight is not going away

struct stream_loop {
	const struct poller_ops *ops;
	struct poller *poller;
	const struct stream_maker *maker;
	struct ring *jobs, *results;
	uint32_t results_cap;
	int wake_fd;
	_Atomic bool asleep, stop, hungry; // hungry: a submit found the ring of jobs full

	// the loop's own
	_Alignas(64) struct slot_table table;
	struct timer_heap heap;
	unsigned batch_len, batch_at;
	unsigned out_len;
	int broken;    // errno of a poller that failed: whatever is left ends as STREAM_ERROR
	bool short_of; // the job at batch_at met a shortage
	int64_t short_since_ns, retry_ns;
	void (*notify)(void *ctx, bool room);
	void *notify_ctx;
	struct stream_job batch[JOBS_BATCH];
	struct stream_result out[OUT_BATCH];
	uint32_t events[POLLER_EVENTS];
	struct stream_counters counters;

	// the other side's
	_Alignas(64) uint64_t submitted;
	uint64_t taken;
};

static void count(_Atomic uint64_t *c)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + 1, memory_order_relaxed);
}

// ---- results

static void flush(struct stream_loop *l)
{
	if (l->out_len == 0)
		return;
	// It fits: submit never lets more jobs in than the ring has places for results.
	ring_push(l->results, l->out, l->out_len);
	l->out_len = 0;
	if (l->notify)
		l->notify(l->notify_ctx, false);
}

// From a second on (RFC 6298) the kernel has sent its SYN again, and nobody can say which of the two was
// answered: no RTT then (Karn).
static uint32_t rtt_of(enum stream_outcome outcome, int64_t elapsed_ns)
{
	if (outcome != STREAM_TIMEOUT && elapsed_ns >= SYN_AGAIN_NS)
		return 0;
	return (uint32_t)(elapsed_ns / NS_PER_US);
}

static void emit(struct stream_loop *l, const struct stream_job *job, enum stream_outcome outcome, int err,
		 int64_t start_ns)
{
	l->out[l->out_len++] = (struct stream_result){
		.token = job->token,
		.outcome = (uint8_t)outcome,
		.error = err,
		.rtt_us = rtt_of(outcome, clock_mono_ns() - start_ns),
		.sent_us = (uint32_t)(start_ns / NS_PER_US),
	};
	if (l->out_len == OUT_BATCH)
		flush(l);
}

// A link-local connect binds the socket to its interface for good.
static bool is_reusable(const struct stream_loop *l, const struct slot *s)
{
	return !l->maker->fixed && s->job.dst.scope == 0;
}

// The connect has ended by itself; unless it succeeded, the kernel has left the socket as new.
static void finish(struct stream_loop *l, uint32_t slot, int err)
{
	struct slot *s = &l->table.slots[slot];
	enum stream_outcome outcome = stream_outcome_of(err);
	bool connected = outcome == STREAM_CONNECTED;
	timer_heap_remove(&l->heap, slot);
	if (connected && stream_met_itself(s->fd, &s->job)) {
		outcome = STREAM_REFUSED;
		err = ECONNREFUSED;
	}
	emit(l, &s->job, outcome, outcome == STREAM_CONNECTED ? 0 : err, s->start_ns);
	l->retry_ns = 0;
	if (connected) {
		struct linger reset = {.l_onoff = 1, .l_linger = 0};
		(void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	}
	// What went unanswered is tried again from another port: something on the way may have taken against
	// this one.
	bool tainted = s->kept && err != ECONNREFUSED;
	if (connected || tainted || !is_reusable(l, s))
		slot_close(&l->table, slot);
	else
		slot_set(&l->table, slot, SLOT_IDLE);
}

// The connect is broken off by us.
static void abandon(struct stream_loop *l, uint32_t slot, int err)
{
	stream_reset(l->table.slots[slot].fd);
	finish(l, slot, err);
}

// ---- connecting

// Asks a socket in progress how it stands: EALREADY, or how it ended.
static int collect(const struct slot *s)
{
	union stream_sockaddr to;
	socklen_t len = stream_sockaddr(&s->job.dst, s->job.port, &to);
	return stream_connect(s->fd, &to, len);
}

static void wait_for(struct stream_loop *l, uint32_t slot)
{
	struct slot *s = &l->table.slots[slot];
	int err = stream_take_error(s->fd);
	if (err) {
		abandon(l, slot, err);
		return;
	}
	int rc = l->ops->watch(l->poller, s->fd, slot, s->watched);
	s->watched = rc == 0;
	slot_set(&l->table, slot, SLOT_WAITING);
	if (rc) // cannot be watched (fs.epoll.max_user_watches): the deadline will ask it
		count(&l->counters.waits_fds);
	timer_heap_add(&l->heap, slot, s->start_ns + s->job.timeout_ns);
	if (l->table.waiting > atomic_load_explicit(&l->counters.in_flight_max, memory_order_relaxed))
		atomic_store_explicit(&l->counters.in_flight_max, l->table.waiting, memory_order_relaxed);
}

// Returns the shortage that kept the job from being started, or 0 when it is under way or done.
static int start(struct stream_loop *l, const struct stream_job *job)
{
	if (l->broken) {
		emit(l, job, STREAM_ERROR, l->broken, clock_mono_ns());
		return 0;
	}
	enum addr_family family = addr_is_v4(&job->dst) ? ADDR_V4 : ADDR_V6;
	uint32_t slot;
	int err = slot_take(&l->table, family, &slot);
	if (err) {
		if (stream_is_shortage(err))
			return err;
		emit(l, job, STREAM_ERROR, err, clock_mono_ns());
		return 0;
	}
	struct slot *s = &l->table.slots[slot];
	union stream_sockaddr to;
	socklen_t len = stream_sockaddr(&job->dst, job->port, &to);
	s->job = *job;
	s->start_ns = clock_mono_ns();
	err = stream_connect(s->fd, &to, len);
	if (err == EINPROGRESS) {
		count(&l->counters.connects);
		err = stream_connect(s->fd, &to, len);
		if (err == EALREADY)
			wait_for(l, slot);
		else
			finish(l, slot, err);
		return 0;
	}
	if (err == EADDRNOTAVAIL && stream_no_source(l->maker, &job->dst)) {
		count(&l->counters.not_taken);
		abandon(l, slot, err);
		return 0;
	}
	if (stream_is_shortage(err)) {
		slot_close(&l->table, slot);
		return err;
	}
	count(&l->counters.connects);
	if (err && err != ECONNREFUSED) // the way out is gone, or a filter of this host forbids it
		count(&l->counters.not_taken);
	finish(l, slot, err);
	return 0;
}

// ---- jobs

static void tell_room(struct stream_loop *l)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load_explicit(&l->hungry, memory_order_relaxed) || ring_count(l->jobs) > JOBS_RING / 2)
		return;
	if (atomic_exchange(&l->hungry, false) && l->notify)
		l->notify(l->notify_ctx, true);
}

static bool next_job(struct stream_loop *l)
{
	if (l->batch_at == l->batch_len) {
		l->batch_at = 0;
		l->batch_len = (unsigned)ring_pop(l->jobs, l->batch, JOBS_BATCH);
		tell_room(l);
	}
	return l->batch_at < l->batch_len;
}

static void on_shortage(struct stream_loop *l, const struct stream_job *job, int err)
{
	int64_t now = clock_mono_ns();
	bool fds = err == EMFILE || err == ENFILE;
	if (!l->short_of) {
		l->short_of = true;
		l->short_since_ns = now;
		count(fds ? &l->counters.waits_fds : &l->counters.waits_ports);
	}
	if (l->table.waiting > 0)
		l->short_since_ns = now;
	if (now - l->short_since_ns < GIVE_UP_NS) {
		l->retry_ns = now + RETRY_NS;
		return;
	}
	emit(l, job, STREAM_ERROR, err, now);
	l->batch_at++;
	l->short_of = false;
	l->retry_ns = 0;
}

static void start_jobs(struct stream_loop *l, unsigned budget)
{
	if (l->retry_ns && clock_mono_ns() < l->retry_ns)
		return;
	l->retry_ns = 0;
	while (budget-- > 0 && slot_available(&l->table) && next_job(l)) {
		const struct stream_job *job = &l->batch[l->batch_at];
		int err = start(l, job);
		if (err) {
			on_shortage(l, job, err);
			return;
		}
		l->batch_at++;
		l->short_of = false;
	}
}

// ---- events

static int on_event(struct stream_loop *l, uint32_t slot)
{
	struct slot *s = &l->table.slots[slot];
	if (s->state != SLOT_WAITING)
		return 0;
	int err = collect(s);
	if (err == EALREADY)
		return l->ops->watch(l->poller, s->fd, slot, s->watched);
	finish(l, slot, err);
	return 0;
}

static int on_wake(struct stream_loop *l)
{
	uint64_t n;
	return read(l->wake_fd, &n, sizeof(n)) < 0 && errno != EAGAIN ? -errno : 0;
}

static int take_events(struct stream_loop *l, int64_t timeout_ns)
{
	int n = l->ops->wait(l->poller, l->events, timeout_ns);
	for (int i = 0; i < n; i++) {
		int rc = l->events[i] == POLLER_WAKE ? on_wake(l) : on_event(l, l->events[i]);
		if (rc)
			return rc;
	}
	return n < 0 ? n : 0;
}

// The answer may have come while nobody looked: the socket is asked once more before it is given up.
static void expire(struct stream_loop *l)
{
	if (l->heap.count == 0)
		return;
	int64_t now = clock_mono_ns();
	while (timer_heap_next(&l->heap) <= now) {
		uint32_t slot = l->heap.entries[0].slot;
		struct slot *s = &l->table.slots[slot];
		int err = collect(s);
		if (err != EALREADY) {
			finish(l, slot, err);
			continue;
		}
		err = stream_take_error(s->fd);
		abandon(l, slot, err ? err : ETIMEDOUT);
	}
}

bool stream_loop_runnable(const struct stream_loop *l)
{
	return l->retry_ns == 0 && slot_available(&l->table) &&
	       (l->batch_at < l->batch_len || ring_count(l->jobs) > 0);
}

int64_t stream_loop_next(const struct stream_loop *l)
{
	int64_t next = timer_heap_next(&l->heap);
	return l->retry_ns && l->retry_ns < next ? l->retry_ns : next;
}

static int64_t sleep_time(const struct stream_loop *l)
{
	int64_t next = stream_loop_next(l);
	if (next == INT64_MAX)
		return -1;
	int64_t left = next - clock_mono_ns();
	return left > 0 ? left : 0;
}

static int sleep_for_events(struct stream_loop *l)
{
	atomic_store(&l->asleep, true);
	atomic_thread_fence(memory_order_seq_cst);
	int64_t timeout = stream_loop_runnable(l) || stream_loop_stopped(l) ? 0 : sleep_time(l);
	int rc = take_events(l, timeout);
	atomic_store(&l->asleep, false);
	return rc;
}

static void break_down(struct stream_loop *l, int err)
{
	l->broken = err;
	while (l->heap.count > 0)
		abandon(l, l->heap.entries[0].slot, err);
}

static void sleep_broken(struct stream_loop *l)
{
	struct pollfd p = {.fd = l->wake_fd, .events = POLLIN};
	atomic_store(&l->asleep, true);
	atomic_thread_fence(memory_order_seq_cst);
	if (!stream_loop_runnable(l) && !stream_loop_stopped(l) && poll(&p, 1, -1) > 0)
		(void)on_wake(l);
	atomic_store(&l->asleep, false);
}

void stream_loop_run(struct stream_loop *l, unsigned budget, bool block)
{
	start_jobs(l, budget);
	flush(l);
	block = block && !stream_loop_runnable(l);
	if (l->broken) {
		if (block)
			sleep_broken(l);
		return;
	}
	int rc = 0;
	if (block)
		rc = sleep_for_events(l);
	else if (l->table.waiting > 0)
		rc = take_events(l, 0);
	if (rc < 0)
		break_down(l, -rc);
	expire(l);
	flush(l);
}

// ---- the other side

unsigned stream_loop_submit(struct stream_loop *l, const struct stream_job *jobs, unsigned n)
{
	uint64_t room = l->results_cap - (l->submitted - l->taken);
	if (n > room)
		n = (unsigned)room;
	unsigned done = (unsigned)ring_push(l->jobs, jobs, n);
	if (done < n) {
		atomic_store(&l->hungry, true);
		atomic_thread_fence(memory_order_seq_cst);
		done += (unsigned)ring_push(l->jobs, jobs + done, n - done);
	}
	l->submitted += done;
	atomic_thread_fence(memory_order_seq_cst);
	if (done && atomic_load(&l->asleep) && atomic_exchange(&l->asleep, false))
		(void)eventfd_write(l->wake_fd, 1);
	return done;
}

unsigned stream_loop_results(struct stream_loop *l, struct stream_result *r, unsigned max)
{
	unsigned n = (unsigned)ring_pop(l->results, r, max);
	l->taken += n;
	return n;
}

void stream_loop_stop(struct stream_loop *l)
{
	atomic_store(&l->stop, true);
	(void)eventfd_write(l->wake_fd, 1);
}

bool stream_loop_stopped(const struct stream_loop *l)
{
	return atomic_load(&l->stop);
}

void stream_loop_on_results(struct stream_loop *l, void (*notify)(void *ctx, bool room), void *ctx)
{
	l->notify = notify;
	l->notify_ctx = ctx;
}

const struct stream_counters *stream_loop_counters(const struct stream_loop *l)
{
	return &l->counters;
}

int stream_loop_fd(const struct stream_loop *l)
{
	return l->ops->fd(l->poller);
}

// ---- set-up

static int allocate(struct stream_loop *l, uint32_t slots)
{
	l->results_cap = slots + JOBS_RING + JOBS_BATCH;
	l->jobs = ring_new(JOBS_RING, sizeof(struct stream_job));
	l->results = ring_new(l->results_cap + 1, sizeof(struct stream_result));
	if (!l->jobs || !l->results)
		return -ENOMEM;
	int rc = slot_table_init(&l->table, l->maker, slots);
	return rc ? rc : timer_heap_init(&l->heap, slots);
}

static int open_poller(struct stream_loop *l, uint32_t slots, struct err_text *e)
{
	int rc = l->ops->open(&l->poller, slots, e);
	if (rc)
		return rc;
	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->wake_fd < 0)
		return err_set(e, -errno, "cannot open an eventfd: %s", err_name(-errno));
	rc = l->ops->watch_wake(l->poller, l->wake_fd);
	return rc ? err_set(e, rc, "cannot watch an eventfd: %s", err_name(rc)) : 0;
}

int stream_loop_open(struct stream_loop **out, const struct poller_ops *ops, const struct stream_maker *maker,
		     uint32_t slots, struct err_text *e)
{
	struct stream_loop *l = aligned_alloc(64, (sizeof(*l) + 63) / 64 * 64);
	if (!l)
		return err_set(e, -ENOMEM, "out of memory");
	*l = (struct stream_loop){.ops = ops, .maker = maker, .wake_fd = -1};
	int rc = allocate(l, slots);
	rc = rc ? err_set(e, rc, "out of memory for %u connections", slots) : open_poller(l, slots, e);
	if (rc) {
		stream_loop_close(l);
		return rc;
	}
	*out = l;
	return 0;
}

void stream_loop_close(struct stream_loop *l)
{
	if (l->poller)
		l->ops->close(l->poller);
	slot_table_free(&l->table);
	if (l->wake_fd >= 0)
		close(l->wake_fd);
	timer_heap_free(&l->heap);
	ring_free(l->jobs);
	ring_free(l->results);
	free(l);
}
