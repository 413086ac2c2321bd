// Discovery and the sweep over the live hosts, block by block.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scan/scan_state.h"

struct main_sweep {
	struct scan *scan;
	struct sweep *sweep;
	const struct addrset *all, *live; // sharded by position: the live ones among all
};

static void on_record(void *ctx, const struct record *r, uint64_t index)
{
	const struct main_sweep *m = ctx;
	(void)index;
	if (m->scan->hooks.record)
		m->scan->hooks.record(m->scan->hooks.ctx, r);
}

static void on_expect(void *ctx, const struct addr *a)
{
	const struct main_sweep *m = ctx;
	m->scan->hooks.expect(m->scan->hooks.ctx, a);
}

static void on_silent(void *ctx, const struct space_item *item)
{
	const struct main_sweep *m = ctx;
	m->scan->hooks.silent(m->scan->hooks.ctx, &item->addr, item->slot.port);
}

static void on_timed_out(void *ctx, const struct addr *a, uint64_t index)
{
	const struct main_sweep *m = ctx;
	(void)index;
	if (m->scan->hooks.host_timed_out)
		m->scan->hooks.host_timed_out(m->scan->hooks.ctx, a);
}

static void on_vanished(void *ctx, const struct addr *a, uint64_t index)
{
	const struct main_sweep *m = ctx;
	(void)index;
	if (m->scan->hooks.host_vanished)
		m->scan->hooks.host_vanished(m->scan->hooks.ctx, a);
}

static void on_done(void *ctx, const struct addr *a, uint64_t index)
{
	const struct main_sweep *m = ctx;
	const struct scan_hooks *h = &m->scan->hooks;
	if (h->host_limited && m->sweep && sweep_host_limited(m->sweep, index))
		h->host_limited(h->ctx, a);
	if (h->host_done)
		h->host_done(h->ctx, a);
}

static bool on_skip(void *ctx, uint64_t index)
{
	const struct main_sweep *m = ctx;
	struct addr a;
	addrset_at(m->all, index, &a);
	return !addrset_contains(m->live, &a);
}

static struct space_slot *port_slots(const struct scan *s)
{
	struct space_slot *slots = calloc(s->cfg.tcp_port_count, sizeof(*slots));
	for (uint32_t i = 0; slots && i < s->cfg.tcp_port_count; i++)
		slots[i] = (struct space_slot){
			.port = s->cfg.tcp_ports[i],
			.technique = s->cfg.kind == SCAN_CONNECT ? TECHNIQUE_TCP_CONNECT : TECHNIQUE_TCP_SYN,
		};
	return slots;
}

// Adds one sweep's figures to the scan's.
static void add_summary(struct scan_summary *sum, const struct scan_summary *one)
{
	const uint64_t *from = (const uint64_t *)&one->c;
	uint64_t *to = (uint64_t *)&sum->c;
	_Static_assert(sizeof(struct scan_counters) % sizeof(uint64_t) == 0, "counters are all uint64_t");
	for (size_t i = 0; i < sizeof(struct scan_counters) / sizeof(uint64_t); i++)
		to[i] += from[i];
	sum->missed_expected += one->missed_expected;
	sum->missed_bound += one->missed_bound;
	sum->hosts_limited += one->hosts_limited;
	sum->hosts_probes_limited += one->hosts_probes_limited;
	sum->hosts_unsure += one->hosts_unsure;
	sum->hosts_vanished += one->hosts_vanished;
	if (one->unsure_pps > 0 && (sum->unsure_pps <= 0 || one->unsure_pps < sum->unsure_pps))
		sum->unsure_pps = one->unsure_pps;
	if (one->loss > sum->loss)
		sum->loss = one->loss;
	if (one->tries > sum->tries)
		sum->tries = one->tries;
	sum->confidence_asked = one->confidence_asked;
	if (sum->confidence_reached == 0 || one->confidence_reached < sum->confidence_reached)
		sum->confidence_reached = one->confidence_reached;
}

// Sweeps the ports of `set`. With `live` the shard is cut out of all positions of `set`, and those of hosts
// that are not live are passed over, so that shards fit together whatever each of them found.
static int sweep_ports(struct scan *s, const struct addrset *set, const struct addrset *live,
		       const struct live *seeds, struct scan_summary *sum, struct err_text *e)
{
	bool sharded = s->cfg.shards > 1 && !s->shard_by_address;
	if (s->cfg.tcp_port_count == 0 || addrset_count(set) == 0)
		return 0;
	struct main_sweep m = {.scan = s, .all = set, .live = live};
	struct space_slot *slots = port_slots(s);
	if (!slots)
		return err_set(e, -ENOMEM, "out of memory");
	struct sweep_job job = {
		.set = set,
		.slots = slots,
		.slot_count = s->cfg.tcp_port_count,
		.policy = s->cfg.policy,
		.events =
			{
				.ctx = &m,
				.record = on_record,
				.expect = s->hooks.expect ? on_expect : NULL,
				.silent = s->hooks.silent ? on_silent : NULL,
				.skip = live ? on_skip : NULL,
				.host_timed_out = on_timed_out,
				.host_vanished = on_vanished,
				.host_done = on_done,
			},
		.techniques = 1u << TECHNIQUE_TCP_SYN,
		.connect = s->cfg.kind == SCAN_CONNECT,
		.seeds = seeds,
		.running = &m.sweep,
	};
	job.policy.sequential = s->cfg.sequential;
	job.policy.tries_unmarked = s->cfg.source_port != 0;
	job.policy.stream = job.connect;
	job.shard = sharded ? s->cfg.shard : 0;
	job.shards = sharded ? s->cfg.shards : 1;
	job.max_probes = s->probes_left;
	struct scan_summary one = {0};
	int r = scan_sweep(s, &job, &one, e);
	if (s->cfg.max_probes)
		s->probes_left -= one.c.positions < s->probes_left ? one.c.positions : s->probes_left;
	add_summary(sum, &one);
	free(slots);
	return r;
}

static int run_block(struct scan *s, uint64_t first, uint64_t count, struct scan_summary *sum,
		     struct err_text *e)
{
	struct live live = {0};
	int r = discover_block(s, first, count, &live, e);
	sum->c.hosts_up += live.up;
	sum->c.hosts_down += live.down;
	bool cut = s->cfg.shards > 1 && !s->shard_by_address;
	if (!r)
		r = sweep_ports(s, cut ? s->cfg.targets : live.set, cut ? live.set : NULL, &live, sum, e);
	live_free(&live);
	return r;
}

int scan_run(struct scan *s, struct scan_summary *sum, struct err_text *e)
{
	int r = s->frames ? frame_io_start(s->frames, e) : 0;
	if (s->frames && !r)
		log_debug(s->log, "frames leave through %s%s%s", frame_io_engine(s->frames),
			  frame_io_has(s->frames, PATH_AFPACKET) && frame_io_has(s->frames, PATH_RAWIP)
				  ? " and "
				  : "",
			  frame_io_has(s->frames, PATH_RAWIP) ? "rawip" : "");
	if (r)
		return r;
	u128 total = addrset_count(s->cfg.targets);
	sum->c.hosts_total = total > UINT64_MAX ? UINT64_MAX : (uint64_t)total;
	// Many addresses are shared out before discovery, few (or a blind scan's) position by position.
	bool many = s->cfg.kind == SCAN_PING || total >= (u128)64 * s->cfg.shards;
	s->shard_by_address = s->cfg.shards > 1 && !s->cfg.skip_discovery && many;
	s->probes_left = s->cfg.max_probes;
	bool blind = s->cfg.skip_discovery && total > BLOCK;
	if (blind) // nobody is asked first, and nothing is kept per host
		return sweep_ports(s, s->cfg.targets, NULL, NULL, sum, e);
	for (uint64_t first = 0; !r && first < total && (!s->cfg.max_probes || s->probes_left);
	     first += BLOCK) {
		u128 left = total - first;
		r = run_block(s, first, left < BLOCK ? (uint64_t)left : BLOCK, sum, e);
	}
	return r;
}
