#include "transport/xdp/emitter.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "transport/backlog.h"
#include "transport/xdp/programs.h"

#define NO_STAMP   UINT32_MAX
#define TIMED      64                // one descriptor in so many carries the time
#define REST_AFTER (30 * NS_PER_MS)  // of an empty ring, a call's fixed cost
#define PROD_EVERY NS_PER_MS         // signals to a thread that is to rest
#define STOP_WAIT  (200 * NS_PER_US) // between two signals to a thread that is to end
#define CALL_RUNS  UINT32_MAX
#define STOPPER    SIGUSR1

// A test-run call holds its thread until it has made all its runs or a signal comes.
struct lane {
	struct xdp_lane *shared;
	struct xdp_desc *ring;
	uint32_t stamps[XDP_RING];
	uint64_t head, harvested;
	struct backlog backlog;
	uint32_t time_us; // of the descriptors now being harvested
	int64_t empty_ns; // since when there is nothing to send; 0: there is
	int64_t prodded_ns;
	unsigned len; // of the frames that a call starts with
	unsigned round;
	int program, wake, cpu;
	bool started;
	pthread_t thread;
	_Atomic bool run, running, stop, ended;
	_Atomic int error;
	_Atomic uint64_t calls;
};

struct emitter {
	struct emitter_config cfg;
	struct lane lanes[XDP_LANES];
	unsigned next;
	cpu_set_t before; // of the caller's thread
	bool moved;
	struct sigaction old_action;
};

static void on_stop(int number)
{
	(void)number; // its only use is to end a call
}

static uint64_t load(const __u64 *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void call(struct lane *l)
{
	uint8_t frame[XDP_TEMPLATE] = {0};
	struct bpf_test_run_opts o = {.sz = sizeof(o),
				      .data_in = frame,
				      .data_size_in = l->len,
				      .repeat = (int)CALL_RUNS,
				      .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
				      .batch_size = l->round};
	atomic_fetch_add(&l->calls, 1);
	atomic_store(&l->running, true);
	if (bpf_prog_test_run_opts(l->program, &o) && errno != EINTR && errno != EAGAIN) {
		atomic_store(&l->error, -errno);
		atomic_store(&l->stop, true);
	}
	atomic_store(&l->running, false);
}

static void *lane_main(void *arg)
{
	struct lane *l = arg;
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET((size_t)l->cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
	while (!atomic_load(&l->stop)) {
		uint64_t n;
		if (atomic_load(&l->run))
			call(l);
		else if (read(l->wake, &n, sizeof(n)) < 0 && errno != EINTR)
			break;
	}
	atomic_store(&l->ended, true);
	return NULL;
}

static void lane_wake(struct lane *l)
{
	const uint64_t one = 1;
	ssize_t n = write(l->wake, &one, sizeof(one));
	(void)n; // an eventfd that is full wakes as well
}

static void lane_run(struct lane *l)
{
	l->empty_ns = 0;
	if (atomic_load_explicit(&l->run, memory_order_relaxed))
		return;
	atomic_store(&l->run, true);
	lane_wake(l);
}

// A signal that comes before the call began is lost: so it is repeated.
static void lane_rest(struct lane *l, int64_t now_ns)
{
	atomic_store(&l->run, false);
	if (!atomic_load(&l->running) || now_ns - l->prodded_ns < PROD_EVERY)
		return;
	l->prodded_ns = now_ns;
	pthread_kill(l->thread, STOPPER);
}

static void lane_end(struct lane *l)
{
	const struct timespec pause = {.tv_nsec = STOP_WAIT};
	if (l->started) {
		atomic_store(&l->stop, true);
		atomic_store(&l->run, false);
		lane_wake(l);
		while (!atomic_load(&l->ended)) {
			pthread_kill(l->thread, STOPPER);
			nanosleep(&pause, NULL);
		}
		pthread_join(l->thread, NULL);
	}
	if (l->wake >= 0)
		close(l->wake);
}

// CPUs for the lanes: not the caller's, as long as there are others. The caller keeps off them, if one is
// left.
static void choose_cpus(struct emitter *m)
{
	cpu_set_t rest;
	if (sched_getaffinity(0, sizeof(m->before), &m->before))
		CPU_SET(0, &m->before);
	rest = m->before;
	int mine = sched_getcpu();
	if (mine >= 0 && (unsigned)CPU_COUNT(&rest) > m->cfg.lanes)
		CPU_CLR((size_t)mine, &rest);
	unsigned n = 0;
	while (n < m->cfg.lanes) {
		cpu_set_t free_ones = rest;
		for (size_t cpu = CPU_SETSIZE; cpu-- && n < m->cfg.lanes;) {
			if (CPU_ISSET(cpu, &free_ones))
				m->lanes[n++].cpu = (int)cpu;
		}
	}
	rest = m->before;
	for (unsigned i = 0; i < n; i++)
		CPU_CLR((size_t)m->lanes[i].cpu, &rest);
	m->moved = CPU_COUNT(&rest) && sched_setaffinity(0, sizeof(rest), &rest) == 0;
}

void emitter_programs(const struct emitter_bpf *b, struct bpf_program *out[XDP_LANES])
{
	out[0] = b->progs.emit0;
	out[1] = b->progs.emit1;
	out[2] = b->progs.emit2;
	out[3] = b->progs.emit3;
}

static int lane_start(struct emitter *m, unsigned i)
{
	struct emitter_bpf *b = m->cfg.programs;
	struct bpf_program *programs[XDP_LANES];
	emitter_programs(b, programs);
	struct lane *l = &m->lanes[i];
	l->shared = &b->bss->lanes[i];
	l->ring = b->bss->descs[i];
	l->program = bpf_program__fd(programs[i]);
	l->len = m->cfg.raw_len;
	l->round = m->cfg.round;
	l->time_us = 1;
	l->wake = eventfd(0, EFD_CLOEXEC);
	if (l->wake < 0)
		return -errno;
	int rc = pthread_create(&l->thread, NULL, lane_main, l);
	l->started = rc == 0;
	return -rc;
}

int emitter_start(struct emitter **out, const struct emitter_config *cfg, struct err_text *e)
{
	*out = NULL;
	struct emitter *m = calloc(1, sizeof(*m));
	if (!m)
		return err_set(e, -ENOMEM, "out of memory");
	m->cfg = *cfg;
	m->cfg.lanes = cfg->lanes < 1 ? 1 : cfg->lanes > XDP_LANES ? XDP_LANES : cfg->lanes;
	for (unsigned i = 0; i < XDP_LANES; i++)
		m->lanes[i].wake = -1;
	const struct sigaction act = {.sa_handler = on_stop}; // no SA_RESTART
	int rc = sigaction(STOPPER, &act, &m->old_action) ? -errno : 0;
	choose_cpus(m);
	for (unsigned i = 0; rc == 0 && i < m->cfg.lanes; i++)
		rc = lane_start(m, i);
	if (rc) {
		emitter_stop(m);
		return err_set(e, rc, "cannot start the emitting threads: %s", err_name(rc));
	}
	*out = m;
	return 0;
}

void emitter_stop(struct emitter *m)
{
	if (!m)
		return;
	for (unsigned i = 0; i < XDP_LANES; i++)
		lane_end(&m->lanes[i]);
	if (m->moved)
		sched_setaffinity(0, sizeof(m->before), &m->before);
	sigaction(STOPPER, &m->old_action, NULL);
	free(m);
}

static unsigned lane_push(struct lane *l, const struct xdp_desc *d, const uint32_t *stamps, unsigned n,
			  int64_t now_ns)
{
	uint64_t room = XDP_RING - (l->head - l->harvested);
	n = n < room ? n : (unsigned)room;
	for (unsigned i = 0; i < n; i++) {
		uint64_t at = (l->head + i) % XDP_RING;
		l->ring[at] = d[i];
		if (i % TIMED == 0)
			l->ring[at].where |= XDP_TIMED;
		l->stamps[at] = stamps ? stamps[i] : NO_STAMP;
	}
	backlog_take(&l->backlog, l->head, l->harvested, now_ns);
	l->head += n;
	__atomic_store_n(&l->shared->head, l->head, __ATOMIC_RELEASE);
	if (n)
		lane_run(l);
	return n;
}

unsigned emitter_room(const struct emitter *m, unsigned most)
{
	uint64_t room = 0;
	for (unsigned i = 0; i < m->cfg.lanes; i++)
		room += XDP_RING - (m->lanes[i].head - m->lanes[i].harvested);
	return room < most ? (unsigned)room : most;
}

unsigned emitter_push(struct emitter *m, const struct xdp_desc *d, const uint32_t *stamps, unsigned n,
		      int64_t now_ns)
{
	unsigned done = 0;
	for (unsigned tries = 0; tries < m->cfg.lanes && done < n; tries++) {
		struct lane *l = &m->lanes[m->next];
		m->next = (m->next + 1) % m->cfg.lanes;
		done += lane_push(l, d + done, stamps + done, n - done, now_ns);
	}
	return done;
}

bool emitter_push_all(struct emitter *m, const struct xdp_desc *d)
{
	bool all = true;
	for (unsigned i = 0; i < m->cfg.lanes; i++)
		all &= lane_push(&m->lanes[i], d, NULL, 1, clock_mono_ns()) == 1;
	return all;
}

static void harvest(struct lane *l, frame_stamp *stamps)
{
	uint64_t tail = load(&l->shared->tail);
	for (; l->harvested < tail; l->harvested++) {
		uint64_t at = l->harvested % XDP_RING;
		if (l->ring[at].where & XDP_TIMED)
			l->time_us = l->ring[at].time_us ? l->ring[at].time_us : 1;
		if (l->stamps[at] != NO_STAMP && stamps)
			atomic_store_explicit(&stamps[l->stamps[at]], l->time_us, memory_order_relaxed);
	}
}

int emitter_look(struct emitter *m, int64_t now_ns)
{
	int error = 0;
	for (unsigned i = 0; i < m->cfg.lanes; i++) {
		struct lane *l = &m->lanes[i];
		harvest(l, m->cfg.stamps ? *m->cfg.stamps : NULL);
		if (atomic_load_explicit(&l->error, memory_order_relaxed))
			error = atomic_load(&l->error);
		if (l->harvested < l->head)
			l->empty_ns = 0;
		else if (l->empty_ns == 0)
			l->empty_ns = now_ns;
		else if (now_ns - l->empty_ns > REST_AFTER)
			lane_rest(l, now_ns);
	}
	return error;
}

bool emitter_idle(const struct emitter *m)
{
	for (unsigned i = 0; i < m->cfg.lanes; i++)
		if (load(&m->lanes[i].shared->tail) != m->lanes[i].head)
			return false;
	return true;
}

int64_t emitter_waiting_since(const struct emitter *m)
{
	int64_t since = BACKLOG_NONE;
	for (unsigned i = 0; i < m->cfg.lanes; i++) {
		const struct lane *l = &m->lanes[i];
		int64_t one = backlog_since(&l->backlog, l->head, l->harvested);
		since = one < since ? one : since;
	}
	return since;
}

uint64_t emitter_sent(const struct emitter *m)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < m->cfg.lanes; i++)
		sum += load(&m->lanes[i].shared->tail);
	return sum;
}

uint64_t emitter_calls(const struct emitter *m)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < m->cfg.lanes; i++)
		sum += atomic_load(&m->lanes[i].calls);
	return sum;
}
