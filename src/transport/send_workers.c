#include "transport/send_workers.h"

#include <ck_pr.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ring.h"
#include "transport/backlog.h"

#define RING_SLOTS 256
#define CHUNK      64  // descriptors moved at once
#define SPINS      200 // looks at an empty ring before sleeping: a few microseconds

// The hop travels with its descriptor, because the table may move while workers run.
struct work {
	struct frame_desc desc;
	struct frame_hop hop;
};

struct worker {
	_Alignas(64) _Atomic uint64_t done; // of what was pushed; written by the worker
	_Atomic int error;                  // the first one
	_Alignas(64) _Atomic bool asleep;
	_Atomic bool stop;
	uint64_t pushed; // written by the caller's thread
	struct backlog backlog;
	struct ring *ring;
	struct send_lane *lane;
	int wake; // eventfd
	int cpu;  // -1: anywhere
	bool running;
	pthread_t thread;
};

struct sender {
	struct lane_config cfg;
	struct send_lane *lane; // without workers
	unsigned count, next;
	struct worker *workers;
};

static void worker_sleep(struct worker *w)
{
	for (int i = 0; i < SPINS; i++) {
		if (ring_count(w->ring))
			return;
		ck_pr_stall();
	}
	atomic_store(&w->asleep, true);
	// The caller pushes first and looks at `asleep` then: one of the two sees the other.
	atomic_thread_fence(memory_order_seq_cst);
	if (ring_count(w->ring) == 0 && !atomic_load(&w->stop)) {
		uint64_t n;
		while (read(w->wake, &n, sizeof(n)) < 0 && errno == EINTR)
			;
	}
	atomic_store(&w->asleep, false);
}

static void worker_send(struct worker *w, const struct work *work, size_t n)
{
	for (size_t i = 0; i < n;) {
		for (; i < n && send_lane_room(w->lane); i++)
			send_lane_put(w->lane, &work[i].desc, &work[i].hop);
		int rc = send_lane_flush(w->lane);
		if (rc && !atomic_load_explicit(&w->error, memory_order_relaxed))
			atomic_store_explicit(&w->error, rc, memory_order_relaxed);
	}
	uint64_t done = atomic_load_explicit(&w->done, memory_order_relaxed);
	atomic_store_explicit(&w->done, done + n, memory_order_release);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct work work[CHUNK];
	if (w->cpu >= 0) {
		cpu_set_t one;
		CPU_ZERO(&one);
		CPU_SET((size_t)w->cpu, &one);
		sched_setaffinity(0, sizeof(one), &one); // a wish, not a need
	}
	while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
		size_t n = ring_pop(w->ring, work, CHUNK);
		if (n)
			worker_send(w, work, n);
		else
			worker_sleep(w);
	}
	return NULL;
}

static void worker_wake(struct worker *w)
{
	const uint64_t one = 1;
	ssize_t n = write(w->wake, &one, sizeof(one));
	(void)n; // an eventfd that is full wakes as well
}

// The CPU of the i-th worker among those this process may use; -1 when there is only one.
static int cpu_pick(unsigned i)
{
	cpu_set_t allowed;
	if (sched_getaffinity(0, sizeof(allowed), &allowed) || CPU_COUNT(&allowed) < 2)
		return -1;
	unsigned nth = i % (unsigned)CPU_COUNT(&allowed);
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed) && nth-- == 0)
			return (int)cpu;
	return -1;
}

static int worker_start(struct worker *w, const struct lane_config *cfg, unsigned i)
{
	w->wake = eventfd(0, EFD_CLOEXEC);
	if (w->wake < 0)
		return -errno;
	w->cpu = cpu_pick(i);
	w->ring = ring_new(RING_SLOTS, sizeof(struct work));
	struct lane_config mine = *cfg;
	if (cfg->packet && cfg->worker_fds[i % 2] >= 0)
		mine.fd_v4 = mine.fd_v6 = cfg->worker_fds[i % 2];
	w->lane = send_lane_new(&mine);
	if (!w->ring || !w->lane)
		return -ENOMEM;
	int rc = pthread_create(&w->thread, NULL, worker_main, w);
	w->running = rc == 0;
	return -rc;
}

int sender_open(struct sender **out, const struct lane_config *cfg, struct err_text *e)
{
	*out = NULL;
	int rc = -ENOMEM;
	unsigned n = cfg->frames->send_threads < WORKERS_MAX ? cfg->frames->send_threads : WORKERS_MAX;
	struct sender *s = calloc(1, sizeof(*s));
	if (!s)
		goto out;
	s->cfg = *cfg;
	if (n == 0) {
		s->lane = send_lane_new(cfg);
		if (!s->lane)
			goto out;
	} else {
		s->workers = aligned_alloc(64, n * sizeof(*s->workers));
		if (!s->workers)
			goto out;
		memset(s->workers, 0, n * sizeof(*s->workers));
		for (unsigned i = 0; i < n; i++)
			s->workers[i].wake = -1;
		s->count = n;
		for (unsigned i = 0; i < n; i++) {
			rc = worker_start(&s->workers[i], cfg, i);
			if (rc)
				goto out;
		}
	}
	*out = s;
	return 0;
out:
	sender_close(s);
	return err_set(e, rc, "cannot start the sending threads: %s", err_name(rc));
}

void sender_close(struct sender *s)
{
	if (!s)
		return;
	unsigned count = s->workers ? s->count : 0;
	for (unsigned i = 0; i < count; i++) {
		struct worker *w = &s->workers[i];
		if (!w->running)
			continue;
		atomic_store(&w->stop, true);
		worker_wake(w);
	}
	for (unsigned i = 0; i < count; i++) {
		struct worker *w = &s->workers[i];
		if (w->running)
			pthread_join(w->thread, NULL);
		if (w->wake >= 0)
			close(w->wake);
		ring_free(w->ring);
		send_lane_free(w->lane);
	}
	free(s->workers);
	send_lane_free(s->lane);
	free(s);
}

static int send_here(struct sender *s, const struct frame_desc *d, unsigned n, unsigned *taken)
{
	const struct frame_hop *hops = *s->cfg.frames->hops;
	while (*taken < n) {
		for (; *taken < n && send_lane_room(s->lane); ++*taken)
			send_lane_put(s->lane, &d[*taken], &hops[d[*taken].hop]);
		int rc = send_lane_flush(s->lane);
		if (rc)
			return rc;
	}
	return 0;
}

// As many as fit into one worker's ring.
static unsigned push(struct worker *w, const struct frame_hop *hops, const struct frame_desc *d, unsigned n)
{
	struct work work[CHUNK];
	unsigned pushed = 0, space = RING_SLOTS - (unsigned)ring_count(w->ring);
	n = n < space ? n : space;
	while (pushed < n) {
		unsigned k = n - pushed < CHUNK ? n - pushed : CHUNK;
		for (unsigned i = 0; i < k; i++) {
			work[i].desc = d[pushed + i];
			work[i].hop = hops[d[pushed + i].hop];
		}
		pushed += (unsigned)ring_push(w->ring, work, k);
	}
	backlog_take(&w->backlog, w->pushed, atomic_load_explicit(&w->done, memory_order_acquire),
		     clock_mono_ns());
	w->pushed += pushed;
	atomic_thread_fence(memory_order_seq_cst);
	if (pushed && atomic_load_explicit(&w->asleep, memory_order_relaxed) &&
	    atomic_exchange(&w->asleep, false))
		worker_wake(w);
	return pushed;
}

static int send_there(struct sender *s, const struct frame_desc *d, unsigned n, unsigned *taken)
{
	const struct frame_hop *hops = *s->cfg.frames->hops;
	for (unsigned tries = 0; tries < s->count && *taken < n; tries++) {
		unsigned left = n - *taken, share = (n + s->count - 1) / s->count;
		struct worker *w = &s->workers[s->next];
		s->next = (s->next + 1) % s->count;
		int rc = atomic_load_explicit(&w->error, memory_order_relaxed);
		if (rc)
			return rc;
		*taken += push(w, hops, d + *taken, left < share ? left : share);
	}
	return 0;
}

int sender_send(struct sender *s, const struct frame_desc *d, unsigned n, unsigned *taken)
{
	*taken = 0;
	return s->count ? send_there(s, d, n, taken) : send_here(s, d, n, taken);
}

bool sender_idle(const struct sender *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		const struct worker *w = &s->workers[i];
		if (atomic_load_explicit(&w->done, memory_order_acquire) != w->pushed)
			return false;
	}
	return true;
}

int64_t sender_waiting_since(const struct sender *s)
{
	int64_t since = BACKLOG_NONE;
	for (unsigned i = 0; i < s->count; i++) {
		const struct worker *w = &s->workers[i];
		int64_t one = backlog_since(&w->backlog, w->pushed,
					    atomic_load_explicit(&w->done, memory_order_acquire));
		since = one < since ? one : since;
	}
	return since;
}

static void lane_stats(const struct send_lane *l, struct frames_stats *out)
{
	const struct lane_counters *c = send_lane_counters(l);
	out->handed += atomic_load_explicit(&c->handed, memory_order_relaxed);
	out->not_taken += atomic_load_explicit(&c->not_taken, memory_order_relaxed);
	out->syscalls += atomic_load_explicit(&c->syscalls, memory_order_relaxed);
}

void sender_stats(const struct sender *s, struct frames_stats *out)
{
	if (s->lane)
		lane_stats(s->lane, out);
	for (unsigned i = 0; i < s->count; i++)
		lane_stats(s->workers[i].lane, out);
}
