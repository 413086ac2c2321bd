// What kind of links the targets lie behind, looked at before anything is opened.
#include "scan/survey.h"

#include <errno.h>
#include <stdlib.h>

#define LOOK_AT 65536u // addresses looked at one by one; larger sets are judged by the ends of their ranges

static void remember_link(struct survey *v, uint32_t ifindex)
{
	for (unsigned i = 0; i < v->link_count; i++)
		if (v->links[i] == ifindex)
			return;
	if (v->link_count < SURVEY_LINKS)
		v->links[v->link_count++] = ifindex;
}

static void look(struct scan *s, const struct addr *a, uint64_t stands_for)
{
	struct net_path path;
	struct survey *v = &s->survey;
	if (net_table_lookup(s->table, a, &path, NULL, v->unroutable ? NULL : &v->why)) {
		v->unroutable += s->survey.addresses <= LOOK_AT;
		return;
	}
	if (path.local || path.link->kind != LINK_ETHERNET) {
		s->survey.other = true;
		return;
	}
	s->survey.ethernet = true;
	remember_link(v, path.link->ifindex);
	if (!path.via_gateway)
		s->survey.on_link += stands_for;
}

void survey_families(struct scan *s)
{
	const struct addr_range *r = addrset_ranges(s->cfg.targets);
	size_t n = addrset_range_count(s->cfg.targets);
	u128 count = addrset_count(s->cfg.targets);
	s->survey.addresses = count > UINT64_MAX ? UINT64_MAX : (uint64_t)count;
	if (n) { // sorted: IPv4 lies in ::ffff:0:0/96
		for (size_t i = 0; i < n && !(s->survey.v4 && s->survey.v6); i++) {
			if (addr_is_v4(&r[i].first))
				s->survey.v4 = true;
			else
				s->survey.v6 = true;
		}
	}
}

void survey_routes(struct scan *s)
{
	const struct addr_range *r = addrset_ranges(s->cfg.targets);
	size_t n = addrset_range_count(s->cfg.targets);
	if (s->survey.addresses <= LOOK_AT) {
		for (uint64_t i = 0; i < s->survey.addresses; i++) {
			struct addr a;
			addrset_at(s->cfg.targets, i, &a);
			look(s, &a, 1);
		}
		return;
	}
	for (size_t i = 0; i < n && i < LOOK_AT; i++) {
		u128 size = addr_value(&r[i].last) - addr_value(&r[i].first) + 1;
		look(s, &r[i].first, size > BLOCK ? BLOCK : (uint64_t)size);
		look(s, &r[i].last, 0);
	}
}

static void collect(struct scan *s, struct neigh_query *q, unsigned *n)
{
	for (uint64_t i = 0; i < s->survey.addresses && *n < SMALL_LINK; i++) {
		struct addr a;
		struct net_path path;
		addrset_at(s->cfg.targets, i, &a);
		if (net_table_lookup(s->table, &a, &path, NULL, NULL) || path.local || path.via_gateway ||
		    path.link->kind != LINK_ETHERNET)
			continue;
		uint32_t ifindex = path.link->ifindex;
		q[(*n)++] = (struct neigh_query){.addr = a,
						 .from = neigh_from(s->table, &a, ifindex, &path.source),
						 .ifindex = ifindex};
	}
}

int survey_unsure(struct scan *s, bool *any, struct err_text *e)
{
	struct neigh_query q[SMALL_LINK];
	unsigned n = 0;
	collect(s, q, &n);
	return neigh_unsure(q, n, any, e);
}

int survey_neighbours(struct scan *s, int64_t timeout_ns, struct err_text *e)
{
	s->neighbours = calloc(SMALL_LINK, sizeof(*s->neighbours));
	if (!s->neighbours)
		return err_set(e, -ENOMEM, "out of memory");
	collect(s, s->neighbours, &s->neighbour_count);
	return s->neighbour_count ? neigh_resolve(s->neighbours, s->neighbour_count, timeout_ns, e) : 0;
}
