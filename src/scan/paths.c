#include "scan/paths.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "net/neigh.h"

#define SHARED_HOPS     1024 // gateways and links
#define GATEWAY_WAIT_NS NS_PER_S
#define SPANS           4

struct shared {
	const struct net_link *link;
	struct addr gateway; // all zero: none
	struct addr source;
	bool discovery;
};

struct neighbour {
	struct addr addr;
	uint32_t hop; // + 1; 0: free
};

struct paths {
	struct paths_config cfg;
	struct frame_hop *hops;
	uint32_t count, cap;
	struct shared shared[SHARED_HOPS];
	uint32_t shared_hop[SHARED_HOPS];
	uint32_t shared_count, last_shared;
	struct neighbour *neighbours;
	uint32_t neighbour_size, neighbour_count;
	// The hop of the routes met last, so that a scan of few networks looks few routes up.
	struct span_hop {
		struct net_span span;
		uint32_t hop;
	} spans[SPANS];
	uint32_t span_next;
};

uint32_t paths_hop_room(const struct paths_config *cfg)
{
	return SHARED_HOPS + cfg->max_neighbours;
}

int paths_new(struct paths **out, const struct paths_config *cfg)
{
	struct paths *p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->cfg = *cfg;
	p->cap = paths_hop_room(cfg);
	for (unsigned i = 0; i < SPANS; i++)
		p->spans[i].span.first = 1; // holds nothing
	p->hops = calloc(p->cap, sizeof(*p->hops));
	p->neighbour_size = 16;
	while (p->neighbour_size < 2 * (uint64_t)cfg->max_neighbours)
		p->neighbour_size *= 2;
	p->neighbours = calloc(p->neighbour_size, sizeof(*p->neighbours));
	if (!p->hops || !p->neighbours) {
		paths_free(p);
		return -ENOMEM;
	}
	*out = p;
	return 0;
}

void paths_free(struct paths *p)
{
	if (!p)
		return;
	free(p->hops);
	free(p->neighbours);
	free(p);
}

const struct frame_hop *paths_hops(const struct paths *p)
{
	return p->hops;
}

static struct neighbour *find_neighbour(const struct paths *p, const struct addr *a)
{
	uint32_t i = (uint32_t)addr_hash(a) & (p->neighbour_size - 1);
	while (p->neighbours[i].hop && !addr_equal(&p->neighbours[i].addr, a))
		i = (i + 1) & (p->neighbour_size - 1);
	return &p->neighbours[i];
}

static void set_source(const struct paths *p, struct net_path *path, const struct addr *dst)
{
	const struct addr *s = addr_is_v4(dst) ? &p->cfg.source_v4 : &p->cfg.source_v6;
	if (!addr_is_none(s))
		path->source = *s;
}

static int lookup(const struct paths *p, const struct addr *dst, struct net_path *path, struct err_text *e)
{
	int r = net_table_lookup(p->cfg.table, dst, path, NULL, e);
	if (r)
		return r;
	set_source(p, path, dst);
	return 0;
}

static bool on_ethernet(const struct net_path *path)
{
	return path->link->kind == LINK_ETHERNET && !path->local;
}

static int add_hop(struct paths *p, const struct frame_hop *h, uint32_t *hop)
{
	if (p->count == p->cap)
		return ERR_LIMIT;
	p->hops[p->count] = *h;
	*hop = p->count++;
	return 0;
}

// Link address of a gateway, or of nothing when it does not answer: the kernel may still find a way (raw IP).
static bool resolve_gateway(const struct paths *p, const struct net_path *path, uint8_t mac[6])
{
	uint32_t ifindex = path->link->ifindex;
	struct neigh_query q = {.addr = path->gateway,
				.from = neigh_from(p->cfg.table, &path->gateway, ifindex, &path->source),
				.ifindex = ifindex};
	struct err_text ignored;
	if (neigh_resolve(&q, 1, GATEWAY_WAIT_NS, &ignored) || !q.resolved)
		return false;
	memcpy(mac, q.mac, 6);
	return true;
}

static int make_hop(struct paths *p, const struct net_path *path, bool discovery, struct frame_hop *h,
		    struct err_text *e)
{
	*h = (struct frame_hop){
		.ifindex = path->link->ifindex, .source = path->source, .transport = PATH_RAWIP};
	memcpy(h->src_mac, path->link->mac, 6);
	bool ethernet = on_ethernet(path);
	if (discovery) {
		h->transport = PATH_AFPACKET;
		h->has_link = true; // the template says broadcast or solicited
		return 0;
	}
	// Also where the kernel routes: a burst to an unresolved neighbour would lose its first frames.
	bool resolved = ethernet && path->via_gateway && resolve_gateway(p, path, h->dst_mac);
	if (resolved && p->cfg.has[PATH_AFPACKET]) {
		h->transport = PATH_AFPACKET;
		h->has_link = true;
		return 0;
	}
	if (p->cfg.has[PATH_RAWIP])
		return 0;
	char text[ADDR_TEXT_MAX];
	addr_format(path->via_gateway ? &path->gateway : &path->source, text);
	if (ethernet && path->via_gateway)
		return err_set(e, -EHOSTUNREACH, "gateway %s on %s does not answer %s", text,
			       path->link->name, addr_is_v4(&path->gateway) ? "ARP" : "neighbour discovery");
	return err_set(e, ERR_UNSUPPORTED, "interface %s takes no AF_PACKET probes; use --engine rawip",
		       path->link->name);
}

static bool same(const struct shared *a, const struct shared *b)
{
	return a->link == b->link && a->discovery == b->discovery && addr_equal(&a->gateway, &b->gateway) &&
	       addr_equal(&a->source, &b->source);
}

static int shared_hop(struct paths *p, const struct net_path *path, bool discovery, uint32_t *hop,
		      struct err_text *e)
{
	struct shared key = {.link = path->link, .source = path->source, .discovery = discovery};
	if (path->via_gateway && !discovery)
		key.gateway = path->gateway;
	if (p->last_shared < p->shared_count && same(&p->shared[p->last_shared], &key)) {
		*hop = p->shared_hop[p->last_shared];
		return 0;
	}
	for (uint32_t i = 0; i < p->shared_count; i++) {
		if (same(&p->shared[i], &key)) {
			p->last_shared = i;
			*hop = p->shared_hop[i];
			return 0;
		}
	}
	if (p->shared_count == SHARED_HOPS)
		return err_set(e, ERR_LIMIT, "more than %d gateways in one scan", SHARED_HOPS);
	struct frame_hop h;
	int r = make_hop(p, path, discovery, &h, e);
	if (!r)
		r = add_hop(p, &h, hop);
	if (r)
		return r;
	p->shared[p->shared_count] = key;
	p->shared_hop[p->shared_count] = *hop;
	p->last_shared = p->shared_count++;
	return 0;
}

static bool find_span(const struct paths *p, const struct addr *dst, uint32_t *hop)
{
	u128 value = addr_value(dst);
	for (unsigned i = 0; i < SPANS && dst->scope == 0; i++) {
		const struct span_hop *s = &p->spans[i];
		if (value >= s->span.first && value <= s->span.last && s->span.v4 == addr_is_v4(dst)) {
			*hop = s->hop;
			return true;
		}
	}
	return false;
}

void paths_expect(const struct paths *p, const struct addr *dst)
{
	if (p->neighbour_count)
		__builtin_prefetch(&p->neighbours[addr_hash(dst) & (p->neighbour_size - 1)]);
}

int paths_hop(struct paths *p, const struct addr *dst, uint32_t *hop, struct err_text *e)
{
	if (p->neighbour_count) {
		const struct neighbour *n = find_neighbour(p, dst);
		if (n->hop) {
			*hop = n->hop - 1;
			return 0;
		}
	}
	if (find_span(p, dst, hop))
		return 0;
	struct net_path path;
	struct net_span span;
	int r = net_table_lookup(p->cfg.table, dst, &path, &span, e);
	if (r)
		return r;
	set_source(p, &path, dst);
	r = shared_hop(p, &path, false, hop, e);
	if (!r && span.first <= span.last)
		p->spans[p->span_next++ % SPANS] = (struct span_hop){span, *hop};
	return r;
}

int paths_discovery_hop(struct paths *p, const struct addr *dst, uint32_t *hop, struct err_text *e)
{
	struct net_path path;
	int r = lookup(p, dst, &path, e);
	return r ? r : shared_hop(p, &path, true, hop, e);
}

int paths_learn(struct paths *p, const struct addr *host, const uint8_t mac[6])
{
	struct neighbour *n = find_neighbour(p, host);
	if (n->hop)
		return 0;
	if (p->neighbour_count >= p->cfg.max_neighbours)
		return ERR_LIMIT;
	struct net_path path;
	int r = lookup(p, host, &path, NULL);
	if (r)
		return r;
	struct frame_hop h = {
		.ifindex = path.link->ifindex,
		.source = path.source,
		.transport = PATH_AFPACKET,
		.has_link = true,
	};
	memcpy(h.dst_mac, mac, 6);
	memcpy(h.src_mac, path.link->mac, 6);
	uint32_t hop;
	r = add_hop(p, &h, &hop);
	if (r)
		return r;
	n->addr = *host;
	n->hop = hop + 1;
	p->neighbour_count++;
	return 0;
}

enum path_kind paths_kind(const struct paths *p, const struct addr *dst)
{
	struct net_path path;
	if (lookup(p, dst, &path, NULL))
		return PATH_NONE;
	if (path.local || path.link->kind == LINK_LOOPBACK)
		return PATH_LOCAL;
	return on_ethernet(&path) && !path.via_gateway ? PATH_ON_LINK : PATH_ROUTED;
}
