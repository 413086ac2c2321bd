#include "net/route.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "net/table.h"

static int link_order(const void *va, const void *vb)
{
	const struct net_link *a = va, *b = vb;
	return a->ifindex < b->ifindex ? -1 : a->ifindex > b->ifindex;
}

const struct net_link *net_table_link(const struct net_table *t, uint32_t ifindex)
{
	const struct net_link key = {.ifindex = ifindex};
	return t->link_count ? bsearch(&key, t->links, t->link_count, sizeof(key), link_order) : NULL;
}

const struct net_link *net_table_link_named(const struct net_table *t, const char *name)
{
	for (size_t i = 0; i < t->link_count; i++)
		if (!strcmp(t->links[i].name, name))
			return &t->links[i];
	return NULL;
}

// Multicast and unicast addresses that say nothing without an interface: fe80::/10, ff01::/16, ff02::/16.
static bool needs_scope(const struct addr *a)
{
	uint16_t first = (uint16_t)(a->hi >> 48);
	return (first & 0xffc0) == 0xfe80 || first == 0xff01 || first == 0xff02;
}

static unsigned shared_bits(const struct addr *a, const struct addr *b)
{
	if (a->hi != b->hi)
		return (unsigned)__builtin_clzll(a->hi ^ b->hi);
	return a->lo == b->lo ? 128 : 64 + (unsigned)__builtin_clzll(a->lo ^ b->lo);
}

// Label of RFC 6724's default policy table, section 2.1.
static unsigned label_of(const struct addr *a)
{
	uint16_t first = (uint16_t)(a->hi >> 48);
	if (a->hi == 0 && a->lo == 1)
		return 0;
	if (first == 0x2002)
		return 2;
	if (a->hi >> 32 == 0x20010000)
		return 5;
	if ((first & 0xfe00) == 0xfc00)
		return 13;
	return 1;
}

// RFC 6724, section 5: scope, deprecated, interface, label, temporary, prefix, in this order. The kernel
// prefers lasting addresses to temporary ones unless it is told otherwise. 0: not to be used.
static unsigned source_score_v6(const struct own_addr *o, const struct addr *dst, uint32_t ifindex)
{
	bool here = o->ifindex == ifindex;
	if (addr_is_v4(&o->addr) || (needs_scope(&o->addr) && !here) || o->kernel_scope == RT_SCOPE_HOST)
		return 0;
	bool scope_fits = needs_scope(&o->addr) == needs_scope(dst);
	unsigned shared = shared_bits(&o->addr, dst);
	if (shared > o->prefix_len)
		shared = o->prefix_len;
	unsigned score = scope_fits;
	score = score << 1 | !o->deprecated;
	score = score << 1 | here;
	score = score << 1 | (label_of(&o->addr) == label_of(dst));
	score = score << 1 | !o->secondary;
	return (score << 8 | shared) + 1;
}

// The kernel's choice for a route without a preferred source: an address of the interface in the gateway's
// network, then any of the interface, then any that is not confined to one link.
static unsigned source_score_v4(const struct own_addr *o, const struct addr *gateway, uint32_t ifindex)
{
	bool here = o->ifindex == ifindex;
	if (!addr_is_v4(&o->addr) || (!here && o->kernel_scope >= RT_SCOPE_LINK))
		return 0;
	bool near = gateway && addr_is_v4(gateway) && shared_bits(&o->addr, gateway) >= 96U + o->prefix_len &&
		    o->prefix_len;
	return 1 + (here ? 8 : 0) + (here && near ? 4 : 0) + (o->secondary ? 0 : 2) +
	       (o->kernel_scope < RT_SCOPE_LINK);
}

static bool source_pick(const struct net_table *t, const struct addr *near, bool v4, uint32_t ifindex,
			struct addr *out)
{
	unsigned best = 0;
	for (size_t i = 0; i < t->own_count; i++) {
		const struct own_addr *o = &t->own[i];
		unsigned score = v4 ? source_score_v4(o, near, ifindex) : source_score_v6(o, near, ifindex);
		if (score > best) {
			best = score;
			*out = o->addr;
		}
	}
	return best > 0;
}

static int maps_build(struct net_table *t)
{
	for (int f = 0; f < 2; f++) {
		for (int i = 0; i < TABLES; i++) {
			struct prefix_list *l = &t->lists[f][i];
			int rc = l->count ? prefix_map_build(&t->maps[f][i], l->items, l->count) : 0;
			free(l->items);
			*l = (struct prefix_list){0};
			if (rc)
				return rc;
		}
	}
	return 0;
}

// Fills in what a lookup would otherwise have to search for.
static void routes_finish(struct net_table *t)
{
	if (t->link_count)
		qsort(t->links, t->link_count, sizeof(*t->links), link_order);
	for (size_t i = t->link_count; i > 0; i--)
		if (t->links[i - 1].kind == LINK_LOOPBACK)
			t->loopback = &t->links[i - 1];
	for (size_t i = 0; i < t->route_count; i++) {
		struct route *r = &t->routes[i];
		r->link = net_table_link(t, r->ifindex);
		// IPv4 chooses by the route alone, IPv6 by the destination as well.
		if (r->family == ADDR_V4 && r->type == ROUTE_UNICAST && !r->has_source)
			r->has_source = source_pick(t, r->has_gateway ? &r->gateway : NULL, true, r->ifindex,
						    &r->source);
	}
}

int net_table_read(struct net_table **out, bool want_v4, bool want_v6, const char *only_if, bool *policy,
		   struct err_text *e)
{
	*out = NULL;
	struct net_table *t = calloc(1, sizeof(*t));
	if (!t)
		return err_set(e, -ENOMEM, "out of memory");
	int rc = table_collect(t, want_v4, want_v6, only_if, policy, e);
	if (rc)
		goto out;
	routes_finish(t);
	rc = maps_build(t);
	if (rc) {
		err_set(e, rc, "cannot hold the kernel's routes: %s", err_name(rc));
		goto out;
	}
	*out = t;
	t = NULL;
out:
	net_table_free(t);
	return rc;
}

void net_table_free(struct net_table *t)
{
	if (!t)
		return;
	for (int f = 0; f < 2; f++) {
		for (int i = 0; i < TABLES; i++) {
			free(t->lists[f][i].items);
			prefix_map_free(t->maps[f][i]);
		}
	}
	free(t->links);
	free(t->own);
	free(t->routes);
	free(t);
}

static int no_route(const struct addr *dst, struct err_text *e, const char *why)
{
	char text[ADDR_TEXT_MAX];
	if (!e)
		return ERR_NOROUTE;
	addr_format(dst, text);
	return err_set(e, ERR_NOROUTE, "no route to %s: %s", text, why);
}

static int path_local(const struct net_table *t, const struct addr *dst, const struct route *r,
		      struct net_path *out, struct err_text *e)
{
	if (!t->loopback || !t->loopback->up)
		return no_route(dst, e, "the loopback interface is down");
	*out = (struct net_path){
		.link = t->loopback, .local = true, .source = r && r->has_source ? r->source : *dst};
	return 0;
}

// Over `link`: to the gateway of `r` or straight to the destination, from its source or the best one. `r` may
// be NULL.
static int path_link(const struct net_table *t, const struct addr *dst, const struct net_link *link,
		     const struct route *r, struct net_path *out, struct err_text *e)
{
	if (!link)
		return no_route(dst, e, "its interface is gone");
	if (!link->up)
		return no_route(dst, e, "its interface is down");
	*out = (struct net_path){.link = link, .via_gateway = r && r->has_gateway};
	if (r && r->has_gateway)
		out->gateway = r->gateway;
	if (r && r->has_source) {
		out->source = r->source;
		return 0;
	}
	if (!source_pick(t, dst, addr_is_v4(dst), link->ifindex, &out->source))
		return no_route(dst, e, "its interface has no address to send from");
	return 0;
}

static int path_route(const struct net_table *t, const struct addr *dst, const struct route *r,
		      struct net_path *out, struct err_text *e)
{
	switch (r->type) {
	case ROUTE_LOCAL:
		return path_local(t, dst, r, out, e);
	case ROUTE_BLACKHOLE:
		return no_route(dst, e, "the routing table says blackhole");
	case ROUTE_UNREACHABLE:
		return no_route(dst, e, "the routing table says unreachable");
	case ROUTE_PROHIBIT:
		return no_route(dst, e, "the routing table says prohibited");
	default:
		return path_link(t, dst, r->link, r, out, e);
	}
}

static bool link_has_addr(const struct net_table *t, const struct addr *a)
{
	for (size_t i = 0; i < t->own_count; i++)
		if (addr_equal(&t->own[i].addr, a))
			return true;
	return false;
}

// The one interface that a link-local address without a scope can mean, or NULL.
static const struct net_link *only_scope(const struct net_table *t)
{
	const struct net_link *found = NULL;
	for (size_t i = 0; i < t->own_count; i++) {
		const struct own_addr *o = &t->own[i];
		if (addr_is_v4(&o->addr) || !needs_scope(&o->addr))
			continue;
		const struct net_link *l = net_table_link(t, o->ifindex);
		bool wanted = !t->only_ifindex || o->ifindex == t->only_ifindex;
		if (!l || !l->up || !wanted || l == found)
			continue;
		if (found)
			return NULL;
		found = l;
	}
	return found;
}

static int lookup_scoped(const struct net_table *t, const struct addr *dst, struct net_path *out,
			 struct err_text *e)
{
	const struct net_link *link = dst->scope ? net_table_link(t, dst->scope) : only_scope(t);
	if (!link)
		return no_route(dst, e,
				dst->scope ? "there is no such interface"
					   : "a link-local address needs its interface (%NAME)");
	if (t->only_ifindex && link->ifindex != t->only_ifindex)
		return no_route(dst, e, "its interface is not the one that was asked for");
	struct addr scoped = *dst;
	scoped.scope = link->ifindex;
	if (link_has_addr(t, &scoped))
		return path_local(t, &scoped, NULL, out, e);
	return path_link(t, dst, link, NULL, out, e);
}

static u128 key_of(const struct addr *a)
{
	return addr_is_v4(a) ? (u128)addr_v4_value(a) << 96 : addr_value(a);
}

// Is the source of a route's packets the same for every destination?
static bool source_fixed(const struct net_table *t, const struct route *r, bool v4)
{
	if (r->has_source)
		return true;
	if (r->type == ROUTE_LOCAL || v4)
		return false;
	unsigned choices =
		0; // an address of global scope goes before all others, so one alone is always chosen
	for (size_t i = 0; i < t->own_count; i++) {
		const struct own_addr *o = &t->own[i];
		choices +=
			!addr_is_v4(&o->addr) && !needs_scope(&o->addr) && o->kernel_scope != RT_SCOPE_HOST;
	}
	return choices == 1;
}

static void span_cut(struct net_span *s, u128 first, u128 last)
{
	if (first > s->first)
		s->first = first;
	if (last < s->last)
		s->last = last;
}

static struct net_span span_of_keys(const struct net_span *keys, bool v4)
{
	u128 mapped = (u128)0xffff << 32;
	return (struct net_span){
		.first = v4 ? mapped | keys->first >> 96 : keys->first,
		.last = v4 ? mapped | keys->last >> 96 : keys->last,
		.v4 = v4,
	};
}

int net_table_lookup(const struct net_table *t, const struct addr *dst, struct net_path *out,
		     struct net_span *span, struct err_text *e)
{
	bool v4 = addr_is_v4(dst);
	struct net_span keys = {.first = 0, .last = ~(u128)0};
	if (span)
		*span = (struct net_span){.first = 1, .last = 0};
	if (!v4 && needs_scope(dst))
		return lookup_scoped(t, dst, out, e);
	struct prefix_map *const *maps = t->maps[v4 ? ADDR_V4 : ADDR_V6];
	u128 key = key_of(dst), first, last;
	for (int i = 0; i < TABLES; i++) {
		uint32_t v = prefix_map_find_span(maps[i], key, &first, &last);
		span_cut(&keys, first, last);
		if (v == PREFIX_NONE || t->routes[v].type == ROUTE_THROW)
			continue;
		if (span && source_fixed(t, &t->routes[v], v4))
			*span = span_of_keys(&keys, v4);
		return path_route(t, dst, &t->routes[v], out, e);
	}
	return no_route(dst, e, t->only_ifindex ? "none over the chosen interface" : "none in the table");
}

bool net_table_has_link_local(const struct net_table *t, uint32_t ifindex)
{
	for (size_t i = 0; i < t->own_count; i++) {
		const struct own_addr *o = &t->own[i];
		if (o->ifindex == ifindex && !addr_is_v4(&o->addr) && needs_scope(&o->addr))
			return true;
	}
	return false;
}

bool net_table_is_ours(const struct net_table *t, const struct addr *a)
{
	if (!addr_is_v4(a) && needs_scope(a)) {
		for (size_t i = 0; i < t->own_count; i++) {
			const struct own_addr *o = &t->own[i];
			if (o->addr.hi == a->hi && o->addr.lo == a->lo &&
			    (!a->scope || a->scope == o->addr.scope))
				return true;
		}
		return false;
	}
	uint32_t v = prefix_map_find(t->maps[addr_is_v4(a) ? ADDR_V4 : ADDR_V6][TABLE_LOCAL], key_of(a));
	return v != PREFIX_NONE && t->routes[v].type == ROUTE_LOCAL;
}
