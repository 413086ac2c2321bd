// Host discovery: who is there. On-link Ethernet hosts by ARP or neighbour discovery, our own addresses at
// once, the others by ICMP echo, SYN to 443, ACK to 80 and ICMP timestamp, or by connections to 80 and 443
// without rights.
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "scan/scan_state.h"

#define DISCOVERY_TRIES 3u

struct discovery {
	struct scan *scan;
	const struct addrset *set;
	uint8_t *up;   // a bit per address index of the set
	uint64_t left; // addresses that are not up yet
	struct live *live;
	bool connections; // not frames: who sent an ICMP error is not known
	bool mac_known;
	uint8_t mac[6];
	struct addr mac_of;
	int error;
};

void live_free(struct live *l)
{
	addrset_free(l->set);
	free(l->hosts);
	memset(l, 0, sizeof(*l));
}

int live_add(struct live *l, const struct addr *a, uint32_t rtt_us)
{
	int r = addrset_add(l->set, a, a);
	if (r)
		return r;
	l->up++;
	if (!rtt_us || l->host_count >= SEEDS_MAX)
		return 0;
	if (l->host_count == l->host_cap) {
		uint32_t cap = l->host_cap ? l->host_cap * 2 : 64;
		struct live_host *h = realloc(l->hosts, cap * sizeof(*h));
		if (!h)
			return -ENOMEM;
		l->hosts = h;
		l->host_cap = cap;
	}
	l->hosts[l->host_count++] = (struct live_host){.addr = *a, .rtt_us = rtt_us};
	return 0;
}

static int tell_up(struct scan *s, struct live *live, const struct record *r, const uint8_t *mac)
{
	if (s->hooks.host_up)
		s->hooks.host_up(s->hooks.ctx, r, mac);
	return live_add(live, &r->addr, r->rtt_us);
}

static int up_without_probe(struct scan *s, struct live *live, const struct addr *a, enum reason reason)
{
	struct record r = {
		.addr = *a, .wall_ns = clock_wall_ns(), .state = STATE_UP, .reason = (uint8_t)reason};
	return tell_up(s, live, &r, NULL);
}

static void tell_down(struct scan *s, struct live *live, const struct addr *a, enum reason reason)
{
	live->down++;
	if (s->hooks.host_down)
		s->hooks.host_down(s->hooks.ctx, a, reason);
}

static void on_mac(void *ctx, const struct addr *a, const uint8_t mac[6])
{
	struct discovery *d = ctx;
	d->mac_known = true;
	d->mac_of = *a;
	memcpy(d->mac, mac, 6);
}

// A router's word that a host is unreachable is none of the host's.
static bool means_up(const struct discovery *d, const struct record *r)
{
	if (d->connections)
		return r->state == STATE_OPEN || r->state == STATE_CLOSED;
	bool itself = addr_is_none(&r->from);
	return r->state == STATE_UP || (itself && r->state != STATE_DOWN);
}

static void on_record(void *ctx, const struct record *r, uint64_t index)
{
	struct discovery *d = ctx;
	bool mine = d->mac_known && addr_equal(&d->mac_of, &r->addr);
	d->mac_known = false;
	if (!means_up(d, r) || (d->up[index / 8] >> (index % 8) & 1))
		return;
	d->up[index / 8] |= (uint8_t)(1u << (index % 8));
	d->left--;
	if (mine && frame_io_has(d->scan->frames, PATH_AFPACKET)) {
		int r2 = paths_learn(frame_io_paths(d->scan->frames), &r->addr, d->mac);
		if (r2)
			d->error = r2;
	}
	int r3 = tell_up(d->scan, d->live, r, mine ? d->mac : NULL);
	if (r3)
		d->error = r3;
}

static bool on_skip(void *ctx, uint64_t index)
{
	const struct discovery *d = ctx;
	return d->up[index / 8] >> (index % 8) & 1;
}

static bool on_finished(void *ctx)
{
	const struct discovery *d = ctx;
	return d->left == 0;
}

static unsigned slots_for(bool on_link, bool raw, bool v4, bool v6, struct space_slot slots[8])
{
	unsigned n = 0;
	if (!raw) {
		slots[n++] = (struct space_slot){.technique = TECHNIQUE_TCP_CONNECT, .port = 80};
		slots[n++] = (struct space_slot){.technique = TECHNIQUE_TCP_CONNECT, .port = 443};
		return n;
	}
	if (on_link) {
		slots[n++] = (struct space_slot){.technique = v4 ? TECHNIQUE_ARP : TECHNIQUE_NDP};
		return n;
	}
	slots[n++] = (struct space_slot){.technique = TECHNIQUE_ICMP_ECHO};
	slots[n++] = (struct space_slot){.technique = TECHNIQUE_TCP_SYN, .port = 443};
	slots[n++] = (struct space_slot){.technique = TECHNIQUE_TCP_ACK, .port = 80};
	if (!v6)
		slots[n++] = (struct space_slot){.technique = TECHNIQUE_ICMP_TIMESTAMP};
	return n;
}

static struct sweep_policy discovery_policy(const struct scan *s, bool stream)
{
	struct sweep_policy p = s->cfg.policy;
	if (p.max_tries > DISCOVERY_TRIES)
		p.max_tries = DISCOVERY_TRIES;
	p.host_silent_pps = 0;
	p.host_timeout_ns = 0;
	if (s->cfg.kind != SCAN_PING)
		p.wait_ns = -1;
	p.stream = stream;
	p.window_max = BLOCK / 2;
	return p;
}

// Sweeps one set and tells who is down afterwards.
static int sweep_set(struct scan *s, const struct addrset *set, bool on_link, bool raw, struct live *live,
		     struct err_text *e)
{
	uint64_t n = (uint64_t)addrset_count(set);
	if (n == 0)
		return 0;
	bool v4 = addr_is_v4(&addrset_ranges(set)[0].first);
	struct space_slot slots[8];
	struct discovery d = {.scan = s,
			      .set = set,
			      .live = live,
			      .left = n,
			      .connections = !raw,
			      .up = calloc(n / 8 + 1, 1)};
	if (!d.up)
		return err_set(e, -ENOMEM, "out of memory in host discovery");
	struct sweep_job job = {
		.set = set,
		.slots = slots,
		.slot_count = slots_for(on_link, raw, v4, !v4, slots),
		.policy = discovery_policy(s, !raw),
		// Connections must end before the next sweep uses their numbers; frames need not.
		.events = {.ctx = &d,
			   .record = on_record,
			   .skip = on_skip,
			   .finished = raw ? on_finished : NULL},
		.discovery = true,
		.connect = !raw,
		.mac = on_mac,
		.mac_ctx = &d,
	};
	for (uint32_t i = 0; i < job.slot_count; i++)
		job.techniques |= 1u << slots[i].technique;
	struct scan_summary ignored = {0};
	int r = scan_sweep(s, &job, &ignored, e);
	if (!r && d.error)
		r = err_set(e, d.error, "host discovery: %s", err_name(d.error));
	for (uint64_t i = 0; !r && i < n; i++) {
		struct addr a;
		if (d.up[i / 8] >> (i % 8) & 1)
			continue;
		addrset_at(set, i, &a);
		tell_down(s, live, &a, REASON_NO_RESPONSE);
	}
	free(d.up);
	return r;
}

// The addresses of a block by how they are to be found.
struct groups {
	struct addrset *on_link[2], *routed[2]; // by family
};

static int on_link_small(struct scan *s, const struct addr *a, struct live *live)
{
	for (unsigned i = 0; i < s->neighbour_count; i++) {
		const struct neigh_query *q = &s->neighbours[i];
		if (!addr_equal(&q->addr, a))
			continue;
		if (!q->resolved) {
			tell_down(s, live, a, REASON_NO_RESPONSE);
			return 0;
		}
		struct record r = {
			.addr = *a,
			.wall_ns = clock_wall_ns(),
			.state = STATE_UP,
			.reason = addr_is_v4(a) ? REASON_ARP_RESPONSE : REASON_ND_RESPONSE,
		};
		return tell_up(s, live, &r, q->mac);
	}
	return up_without_probe(s, live, a, REASON_USER_SET);
}

static int sort_address(struct scan *s, const struct addr *a, struct groups *g, struct live *live)
{
	unsigned family = addr_is_v4(a) ? 0 : 1;
	enum path_kind kind = paths_kind(scan_paths(s), a);
	if (kind == PATH_ON_LINK && !s->frames)
		kind = PATH_ROUTED;
	switch (kind) {
	case PATH_LOCAL:
		return up_without_probe(s, live, a, REASON_LOCALHOST_RESPONSE);
	case PATH_NONE:
		tell_down(s, live, a, REASON_NET_UNREACH);
		return 0;
	case PATH_ON_LINK:
		if (frame_io_has(s->frames, PATH_AFPACKET))
			return addrset_add(g->on_link[family], a, a);
		return on_link_small(s, a, live);
	case PATH_ROUTED:
	default:
		if (s->cfg.skip_discovery)
			return up_without_probe(s, live, a, REASON_USER_SET);
		return addrset_add(g->routed[family], a, a);
	}
}

int discover_block(struct scan *s, uint64_t first, uint64_t count, struct live *live, struct err_text *e)
{
	struct groups g = {{addrset_new(), addrset_new()}, {addrset_new(), addrset_new()}};
	struct order order;
	struct hash_key key;
	uint64_t total = (uint64_t)addrset_count(s->cfg.targets);
	hash_key_make(&key, &s->cfg.seed, "shard");
	order_init(&order, total, &key, false);
	int r = 0;
	live->set = addrset_new();
	for (uint64_t i = first; !r && i < first + count; i++) {
		struct addr a;
		if (s->shard_by_address && order_position(&order, i) % s->cfg.shards != s->cfg.shard)
			continue;
		addrset_at(s->cfg.targets, i, &a);
		r = sort_address(s, &a, &g, live);
	}
	for (int f = 0; f < 2; f++) {
		addrset_seal(g.on_link[f]);
		addrset_seal(g.routed[f]);
		if (!r)
			r = sweep_set(s, g.on_link[f], true, true, live, e);
		if (!r)
			r = sweep_set(s, g.routed[f], false, s->frames != NULL, live, e);
		addrset_free(g.on_link[f]);
		addrset_free(g.routed[f]);
	}
	addrset_seal(live->set);
	return r;
}
