#include "scan/frame_io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "scan/frame_io_state.h"
#include "scan/reply.h"
#include "scan/source_ports.h"

#define EXPECTED      12 // shots ahead of which a neighbour is asked for
#define READ_AT_ONCE  16
#define DRAIN_ROUNDS  8
#define BATCH_DEFAULT 128
#define THREADS_FROM  20000u // frames; from here sending threads are worth their start
#define STATS_NS      (4 * NS_PER_MS)
#define FULL_WAIT_NS  (400 * NS_PER_US)

static unsigned template_index(unsigned technique, bool v4)
{
	return technique * 2 + (v4 ? 0 : 1);
}

static int make_templates(struct frame_io *io)
{
	for (unsigned t = 0; t < TECHNIQUE_COUNT; t++) {
		const struct probe_ops *p = probe_get((enum technique)t);
		if (!p || !p->make_template)
			continue;
		int r = p->v4 ? p->make_template(&io->env, ADDR_V4, &io->templates[template_index(t, true)])
			      : 0;
		if (!r && p->v6)
			r = p->make_template(&io->env, ADDR_V6, &io->templates[template_index(t, false)]);
		if (r)
			return r;
	}
	return 0;
}

static void make_env(struct frame_io *io)
{
	const struct scan_config *sc = io->cfg.scan;
	uint64_t random = 0;
	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		random = (uint64_t)clock_mono_ns();
	hash_key_make(&io->env.cookie_key, NULL, "cookie");
	io->env.sport_tries = (uint8_t)sc->policy.max_tries;
	io->env.sport_fixed = sc->source_port != 0;
	io->env.sport_base =
		sc->source_port ? sc->source_port : source_ports_choose(sc->policy.max_tries, random);
	io->env.ttl = sc->ttl;
}

static int open_sockets(struct frame_io *io, struct err_text *e)
{
	for (int i = 0; i < PATH_TRANSPORTS; i++)
		for (int j = 0; j < 4; j++)
			io->t[i].fds[j] = -1;
	int r = 0;
	if (io->cfg.rawip) {
		io->t[PATH_RAWIP].ops = &frames_rawip;
		r = frames_rawip_sockets(io->cfg.v4, io->cfg.v6, io->t[PATH_RAWIP].fds, e);
	}
	if (!r && io->cfg.afpacket) {
		io->t[PATH_AFPACKET].ops = &frames_afpacket;
		r = frames_afpacket_socket(io->t[PATH_AFPACKET].fds, e);
	}
	return r;
}

int frame_io_open(struct frame_io **out, const struct frame_io_config *cfg, struct err_text *e)
{
	struct frame_io *io = calloc(1, sizeof(*io));
	if (!io)
		return -ENOMEM;
	io->cfg = *cfg;
	io->loop.hooks = cfg->hooks;
	io->batch = cfg->scan->batch ? cfg->scan->batch : BATCH_DEFAULT;
	io->recv_batch = cfg->scan->recv_batch ? cfg->scan->recv_batch : FRAMES_RECV_DEFAULT;
	make_env(io);
	int r = make_templates(io);
	if (!r)
		r = open_sockets(io, e);
	if (!r && cfg->xdp)
		r = frame_io_prepare_xdp(io, e);
	if (!r)
		r = paths_new(&io->paths, &(struct paths_config){
						  .table = cfg->table,
						  .has = {cfg->rawip, cfg->afpacket},
						  .source_v4 = cfg->scan->source_v4,
						  .source_v6 = cfg->scan->source_v6,
						  .max_neighbours = cfg->max_neighbours,
					  });
	for (int i = 0; !r && i < PATH_TRANSPORTS; i++) {
		io->t[i].out.d = io->t[i].ops ? calloc(FRAME_BATCH_MAX, sizeof(struct frame_desc)) : NULL;
		if (io->t[i].ops && !io->t[i].out.d)
			r = -ENOMEM;
	}
	if (r) {
		frame_io_close(io);
		return r;
	}
	io->hops = paths_hops(io->paths);
	*out = io;
	return 0;
}

static unsigned send_threads(const struct frame_io *io, bool afpacket)
{
	const struct scan_config *sc = io->cfg.scan;
	if (sc->trace)
		return 0;
	if (sc->send_threads >= 0)
		return (unsigned)sc->send_threads;
	double cap = sc->policy.rate_pps > 0 ? sc->policy.rate_pps : sc->policy.max_pps;
	bool slow = cap > 0 && cap < 50000;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	return afpacket && !slow && cpus >= 2 && io->cfg.frames >= THREADS_FROM ? 2 : 0;
}

int frame_io_start(struct frame_io *io, struct err_text *e)
{
	for (int i = 0; i < PATH_TRANSPORTS; i++) {
		struct open_transport *t = &io->t[i];
		if (!t->ops)
			continue;
		struct frames_config fc = {
			.templates = io->templates,
			.hops = &io->hops,
			.stamps = &io->stamps,
			.want_v4 = io->cfg.v4,
			.want_v6 = io->cfg.v6,
			.want_arp = io->cfg.v4 && i == PATH_AFPACKET,
			.want_ndp = io->cfg.v6 && i == PATH_AFPACKET,
			.port_lo = io->env.sport_base,
			.port_hi = (uint16_t)(io->env.sport_base +
					      (io->env.sport_fixed ? 0 : io->env.sport_tries - 1)),
			.batch = io->batch,
			.recv_batch = io->recv_batch,
			.send_threads = send_threads(io, i == PATH_AFPACKET),
			.expected = io->cfg.frames,
			.qdisc_bypass = true,
			.trace = io->cfg.scan->trace ? io->cfg.hooks->packet : NULL,
			.trace_ctx = io->cfg.hooks->ctx,
		};
		int r = i == PATH_AFPACKET && io->prepared ? frame_io_start_xdp(io, &fc, e) : 0;
		if (r)
			return r;
		if (t->f)
			continue;
		memcpy(fc.privileged_fds, t->fds, sizeof(t->fds));
		r = t->ops->open(&t->f, &fc, e);
		if (r)
			return r;
		for (int j = 0; j < 4; j++)
			t->fds[j] = -1; // the transport's now
	}
	return 0;
}

void frame_io_close(struct frame_io *io)
{
	if (!io)
		return;
	for (int i = 0; i < PATH_TRANSPORTS; i++) {
		struct open_transport *t = &io->t[i];
		if (t->f)
			(void)t->ops->close(t->f);
		for (int j = 0; t->ops && j < 4; j++)
			if (t->fds[j] >= 0)
				close(t->fds[j]);
		free(t->out.d);
	}
	if (io->prepared)
		io->cfg.xdp->discard(io->prepared);
	paths_free(io->paths);
	free(io);
}

struct paths *frame_io_paths(struct frame_io *io)
{
	return io->paths;
}

bool frame_io_has(const struct frame_io *io, enum path_transport t)
{
	return io->t[t].ops != NULL;
}

bool frame_io_prepared(const struct frame_io *io)
{
	return io->prepared != NULL;
}

bool frame_io_uses_xdp(const struct frame_io *io)
{
	return io->cfg.xdp && io->t[PATH_AFPACKET].ops == io->cfg.xdp->frames;
}

const char *frame_io_engine(const struct frame_io *io)
{
	return io->t[PATH_AFPACKET].ops ? io->t[PATH_AFPACKET].ops->name : "";
}

uint64_t frame_io_not_taken(struct frame_io *io)
{
	uint64_t sum = io->unroutable;
	for (int i = 0; i < PATH_TRANSPORTS; i++) {
		struct frames_stats st = {0};
		if (io->t[i].f)
			io->t[i].ops->stats(io->t[i].f, &st);
		sum += st.not_taken;
	}
	return sum;
}

// One shot becomes a descriptor in its transport's outbox.
static void queue_shot(struct frame_io *io, unsigned i)
{
	const struct sweep_shot *shot = &io->shots[i];
	if (i + EXPECTED < io->shot_count)
		paths_expect(io->paths, &shot[EXPECTED].item.addr);
	const struct addr *dst = &shot->item.addr;
	unsigned technique = shot->item.slot.technique;
	bool link_probe = technique == TECHNIQUE_ARP || technique == TECHNIQUE_NDP;
	uint32_t hop;
	int r = link_probe ? paths_discovery_hop(io->paths, dst, &hop, NULL)
			   : paths_hop(io->paths, dst, &hop, NULL);
	if (r) {
		io->unroutable++;
		return;
	}
	struct open_transport *t = &io->t[io->hops[hop].transport];
	t->used = true;
	struct frame_desc *d = &t->out.d[t->out.n++];
	*d = (struct frame_desc){
		.dst_hi = dst->hi,
		.dst_lo = dst->lo,
		.hop = hop,
		.stamp = shot->stamp,
		.tmpl = (uint8_t)template_index(technique, addr_is_v4(dst)),
		.try_no = (uint8_t)shot->try_no,
	};
	probe_get((enum technique)technique)->aim(&io->env, dst, shot->item.slot.port, shot->try_no, d);
}

// Hands over what is queued. Returns how many were taken, or an error.
static int push(struct frame_io *io)
{
	int sum = 0;
	for (int i = 0; i < PATH_TRANSPORTS; i++) {
		struct outbox *o = &io->t[i].out;
		if (o->at == o->n)
			continue;
		unsigned taken = 0;
		int r = io->t[i].ops->send(io->t[i].f, o->d + o->at, o->n - o->at, &taken);
		if (r)
			return r;
		o->at += taken;
		sum += (int)taken;
		if (o->at == o->n)
			o->at = o->n = 0;
	}
	return sum;
}

static bool queued(const struct frame_io *io)
{
	bool any = false;
	for (int i = 0; i < PATH_TRANSPORTS; i++)
		any |= io->t[i].out.n != 0;
	return any;
}

// False when it is no answer of ours.
static bool read_reply(struct frame_io *io, const struct frame_sweep *fs, const struct frame_reply *fr,
		       struct sweep_reply *out)
{
	struct packet_view v;
	struct probe_answer a;
	if (packet_parse(fr->data, fr->len, fr->ethertype, &v))
		return false;
	enum probe_verdict verdict = probe_classify(&io->env, fs->techniques, &v, &a);
	if (verdict == PROBE_REJECTED)
		sweep_count_rejected(fs->sweep, 1);
	if (verdict != PROBE_ANSWER)
		return false;
	if (!addr_is_v4(&a.target) &&
	    (a.target.hi >> 54) == 0x3fa) // link-local: of the interface it came in by
		a.target.scope = fr->ifindex;
	if (a.mac_known && fs->mac)
		fs->mac(fs->mac_ctx, &a.target, a.mac);
	sweep_reply_from(out, &a);
	return true;
}

static void take_replies(struct frame_io *io, const struct frame_sweep *fs, const struct frame_reply *fr,
			 int n)
{
	struct sweep_reply r[READ_AT_ONCE];
	int64_t times_ns[READ_AT_ONCE];
	unsigned have = 0;
	for (int i = 0; i < n; i++) {
		if (read_reply(io, fs, &fr[i], &r[have]))
			times_ns[have++] = fr[i].time_ns;
		if (have == READ_AT_ONCE || i == n - 1) {
			sweep_answers(fs->sweep, r, times_ns, have);
			have = 0;
		}
	}
}

// Takes what is here from one transport; returns how many, or an error.
static int drain(struct frame_io *io, struct open_transport *t, const struct frame_sweep *fs)
{
	int sum = 0;
	for (int round = 0; round < DRAIN_ROUNDS; round++) {
		int n = t->ops->recv(t->f, io->replies, io->recv_batch);
		if (n < 0)
			return n;
		take_replies(io, fs, io->replies, n);
		sum += n;
		if ((unsigned)n < io->recv_batch)
			break;
	}
	return sum;
}

// What was handed over before that has left and what came back of it was looked at: frames that wait in a
// queue of ours have had no chance of an answer yet.
static int64_t answered_until(const struct frame_io *io, int64_t looked_ns)
{
	int64_t until = looked_ns;
	for (int i = 0; i < PATH_TRANSPORTS; i++) {
		const struct open_transport *t = &io->t[i];
		if (!t->used || !t->ops->waiting_since)
			continue;
		int64_t since = t->ops->waiting_since(t->f);
		until = since < until ? since : until;
	}
	return until;
}

static int drain_all(struct frame_io *io, const struct frame_sweep *fs, unsigned which)
{
	int sum = 0;
	int64_t before = clock_mono_ns();
	bool caught_up = true;
	sweep_look(fs->sweep, before);
	for (int i = 0; i < PATH_TRANSPORTS; i++) {
		if (!io->t[i].used || !(which >> i & 1))
			continue;
		int n = drain(io, &io->t[i], fs);
		if (n < 0)
			return n;
		caught_up &= (unsigned)n < io->recv_batch * DRAIN_ROUNDS;
		sum += n;
	}
	if (caught_up)
		sweep_seen(fs->sweep, answered_until(io, before));
	return sum;
}

static void check_drops(struct frame_io *io, struct sweep *s, int64_t now_ns)
{
	if (now_ns < io->next_stats_ns)
		return;
	io->next_stats_ns = now_ns + STATS_NS;
	for (int i = 0; i < PATH_TRANSPORTS; i++) {
		struct open_transport *t = &io->t[i];
		struct frames_stats st;
		if (!t->f)
			continue;
		t->ops->stats(t->f, &st);
		if (st.dropped > t->dropped || st.crowded > t->crowded)
			sweep_overrun(s, st.dropped - t->dropped, now_ns);
		sweep_count_rejected(s, st.rejected - t->rejected);
		t->rejected = st.rejected;
		t->dropped = st.dropped;
		t->crowded = st.crowded;
	}
}

static int wait_for_news(struct frame_io *io, const struct frame_sweep *fs, int64_t now_ns)
{
	if (queued(io)) { // the sending threads are behind
		struct timespec t = {.tv_nsec = FULL_WAIT_NS};
		nanosleep(&t, NULL);
		return drain_all(io, fs, ~0u);
	}
	int fds[PATH_TRANSPORTS];
	for (int i = 0; i < PATH_TRANSPORTS; i++)
		fds[i] = io->t[i].used ? io->t[i].ops->fd(io->t[i].f) : -1;
	unsigned ready = loop_wait(&io->loop, fds, PATH_TRANSPORTS, sweep_wait_ns(fs->sweep, now_ns));
	if (ready >> PATH_TRANSPORTS & 1)
		(void)loop_tick(&io->loop, sweep_counters(fs->sweep), now_ns, true);
	return drain_all(io, fs, ready);
}

int frame_io_run(struct frame_io *io, const struct frame_sweep *fs, struct err_text *e)
{
	io->stamps = sweep_stamps(fs->sweep);
	int r = 0;
	io->next_stats_ns = clock_mono_ns() + STATS_NS;
	for (;;) {
		int64_t now = clock_mono_ns();
		if (!loop_tick(&io->loop, sweep_counters(fs->sweep), now, false))
			return ERR_INTERRUPTED;
		if (!queued(io)) {
			io->shot_count = sweep_next(fs->sweep, now, io->shots, io->batch);
			for (unsigned i = 0; i < io->shot_count; i++)
				queue_shot(io, i);
		}
		int sent = queued(io) ? push(io) : 0;
		if (sent < 0) {
			r = sent;
			break;
		}
		if (sent)
			sweep_left(fs->sweep, io->shots, io->shot_count, clock_mono_ns());
		if (!queued(io) && sweep_done(fs->sweep, now))
			break;
		int got = sent ? drain_all(io, fs, ~0u) : wait_for_news(io, fs, now);
		if (got < 0) {
			r = got;
			break;
		}
		check_drops(io, fs->sweep, now);
	}
	for (int i = 0; i < PATH_TRANSPORTS;
	     i++) // nothing may refer to this sweep's stamps when the next one starts
		while (!r && io->t[i].f && !io->t[i].ops->idle(io->t[i].f))
			nanosleep(&(struct timespec){.tv_nsec = FULL_WAIT_NS}, NULL);
	return r ? err_set(e, r, "sending failed: %s", err_name(r)) : 0;
}
