// Links, addresses, routes and rules as the kernel tells them.
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/icmpv6.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/endian.h"
#include "net/netlink.h"
#include "net/table.h"

#define READ_TRIES 5 // a dump that a change has overtaken is read again

// Makes room for one more item of `size` bytes. NULL when memory is short (the old array stays valid).
static void *with_room(void *items, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return items;
	size_t wanted = *room ? *room * 2 : 16;
	void *grown = realloc(items, wanted * size);
	if (grown)
		*room = wanted;
	return grown;
}

static struct addr addr_of_attr(const struct nlattr *a)
{
	const uint8_t *p = mnl_attr_get_payload(a);
	if (mnl_attr_get_payload_len(a) >= 16)
		return addr_v6(p);
	if (mnl_attr_get_payload_len(a) >= 4)
		return addr_v4(load_be32(p));
	return (struct addr){0};
}

static uint32_t u32_of_attr(const struct nlattr *a)
{
	uint32_t v = 0;
	if (mnl_attr_get_payload_len(a) >= sizeof(v))
		memcpy(&v, mnl_attr_get_payload(a), sizeof(v));
	return v;
}

// A link-local address means something only together with its interface.
static void addr_scope(struct addr *a, uint32_t ifindex)
{
	if (!addr_is_v4(a) && (a->hi >> 54) == 0xfe80 >> 6)
		a->scope = ifindex;
}

static enum link_kind kind_of(const struct ifinfomsg *m)
{
	if (m->ifi_type == ARPHRD_LOOPBACK)
		return LINK_LOOPBACK;
	if (m->ifi_type == ARPHRD_ETHER && !(m->ifi_flags & IFF_NOARP))
		return LINK_ETHERNET;
	return LINK_RAW;
}

static int on_link(const struct nlmsghdr *h, void *data)
{
	struct net_table *t = data;
	if (h->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(h) < sizeof(struct ifinfomsg))
		return MNL_CB_OK;
	const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);
	void *items = with_room(t->links, t->link_count, &t->link_room, sizeof(*t->links));
	if (!items)
		return MNL_CB_ERROR;
	t->links = items;
	struct net_link *l = &t->links[t->link_count++];
	*l = (struct net_link){
		.ifindex = (uint32_t)m->ifi_index, .kind = kind_of(m), .up = m->ifi_flags & IFF_UP};
	const struct nlattr *a;
	netlink_attr_for_each(a, h, sizeof(*m))
	{
		size_t len = mnl_attr_get_payload_len(a);
		if (mnl_attr_get_type(a) == IFLA_IFNAME && len <= sizeof(l->name))
			memcpy(l->name, mnl_attr_get_payload(a), len);
		else if (mnl_attr_get_type(a) == IFLA_ADDRESS && len == sizeof(l->mac))
			memcpy(l->mac, mnl_attr_get_payload(a), len);
		else if (mnl_attr_get_type(a) == IFLA_MTU)
			l->mtu = u32_of_attr(a);
	}
	l->name[sizeof(l->name) - 1] = 0;
	return MNL_CB_OK;
}

static int on_addr(const struct nlmsghdr *h, void *data)
{
	struct net_table *t = data;
	if (h->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(h) < sizeof(struct ifaddrmsg))
		return MNL_CB_OK;
	const struct ifaddrmsg *m = mnl_nlmsg_get_payload(h);
	if (m->ifa_family != AF_INET && m->ifa_family != AF_INET6)
		return MNL_CB_OK;
	uint32_t flags = m->ifa_flags;
	const struct nlattr *a, *local = NULL, *address = NULL;
	netlink_attr_for_each(a, h, sizeof(*m))
	{
		if (mnl_attr_get_type(a) == IFA_LOCAL)
			local = a;
		else if (mnl_attr_get_type(a) == IFA_ADDRESS)
			address = a;
		else if (mnl_attr_get_type(a) == IFA_FLAGS)
			flags = u32_of_attr(a);
	}
	// On a point-to-point link IFA_ADDRESS is the other end.
	const struct nlattr *ours = local ? local : address;
	bool unusable =
		(flags & IFA_F_DADFAILED) || ((flags & IFA_F_TENTATIVE) && !(flags & IFA_F_OPTIMISTIC));
	if (!ours || unusable)
		return MNL_CB_OK;
	void *items = with_room(t->own, t->own_count, &t->own_room, sizeof(*t->own));
	if (!items)
		return MNL_CB_ERROR;
	t->own = items;
	struct own_addr *o = &t->own[t->own_count++];
	*o = (struct own_addr){.addr = addr_of_attr(ours),
			       .ifindex = m->ifa_index,
			       .prefix_len = m->ifa_prefixlen,
			       .kernel_scope = m->ifa_scope,
			       .secondary = flags & IFA_F_SECONDARY, // the same bit as IFA_F_TEMPORARY
			       .deprecated = flags & IFA_F_DEPRECATED};
	addr_scope(&o->addr, o->ifindex);
	return MNL_CB_OK;
}

// What one route message says.
struct route_message {
	const struct rtmsg *m;
	uint32_t table, metric, oif;
	uint8_t pref;
	const struct nlattr *dst, *source, *gateway, *via, *multipath;
};

static void route_attrs(struct route_message *r, const struct nlmsghdr *h)
{
	const struct nlattr *a;
	netlink_attr_for_each(a, h, sizeof(*r->m))
	{
		switch (mnl_attr_get_type(a)) {
		case RTA_TABLE:
			r->table = u32_of_attr(a);
			break;
		case RTA_PRIORITY:
			r->metric = u32_of_attr(a);
			break;
		case RTA_OIF:
			r->oif = u32_of_attr(a);
			break;
		case RTA_PREF:
			r->pref = mnl_attr_get_payload_len(a) ? mnl_attr_get_u8(a) : 0;
			break;
		case RTA_DST:
			r->dst = a;
			break;
		case RTA_PREFSRC:
			r->source = a;
			break;
		case RTA_GATEWAY:
			r->gateway = a;
			break;
		case RTA_VIA:
			r->via = a;
			break;
		case RTA_MULTIPATH:
			r->multipath = a;
			break;
		}
	}
}

// Takes one usable next hop of a multipath route.
static void route_pick_hop(struct route_message *r, uint32_t only_ifindex)
{
	size_t left = mnl_attr_get_payload_len(r->multipath);
	const uint8_t *p = mnl_attr_get_payload(r->multipath);
	while (left >= sizeof(struct rtnexthop)) {
		const struct rtnexthop *nh = (const void *)p;
		if (nh->rtnh_len < sizeof(*nh) || nh->rtnh_len > left)
			return;
		bool wanted = !only_ifindex || (uint32_t)nh->rtnh_ifindex == only_ifindex;
		if (wanted && !(nh->rtnh_flags & RTNH_F_DEAD)) {
			r->oif = (uint32_t)nh->rtnh_ifindex;
			const struct nlattr *a = (const void *)(p + sizeof(*nh));
			const uint8_t *end = p + nh->rtnh_len;
			for (; mnl_attr_ok(a, (int)(end - (const uint8_t *)a)); a = mnl_attr_next(a)) {
				if (mnl_attr_get_type(a) == RTA_GATEWAY)
					r->gateway = a;
				else if (mnl_attr_get_type(a) == RTA_VIA)
					r->via = a;
			}
			return;
		}
		size_t step = RTNH_ALIGN(nh->rtnh_len);
		if (step > left)
			return;
		p += step;
		left -= step;
	}
}

// Our type of a kernel route, or -1 for one that says nothing about where a probe goes (a broadcast address
// is reached over the network it belongs to).
static int type_of(uint8_t rtm_type)
{
	switch (rtm_type) {
	case RTN_UNICAST:
	case RTN_MULTICAST:
		return ROUTE_UNICAST;
	case RTN_LOCAL:
	case RTN_ANYCAST:
		return ROUTE_LOCAL;
	case RTN_BLACKHOLE:
		return ROUTE_BLACKHOLE;
	case RTN_UNREACHABLE:
		return ROUTE_UNREACHABLE;
	case RTN_PROHIBIT:
		return ROUTE_PROHIBIT;
	case RTN_THROW:
		return ROUTE_THROW;
	default:
		return -1;
	}
}

static int table_of(uint32_t id)
{
	switch (id) {
	case RT_TABLE_LOCAL:
		return TABLE_LOCAL;
	case RT_TABLE_MAIN:
		return TABLE_MAIN;
	case RT_TABLE_DEFAULT:
		return TABLE_DEFAULT;
	default:
		return -1;
	}
}

static bool route_same(const struct route *a, const struct route *b)
{
	return a->type == b->type && a->family == b->family && a->ifindex == b->ifindex &&
	       a->has_gateway == b->has_gateway && a->has_source == b->has_source &&
	       addr_equal(&a->gateway, &b->gateway) && addr_equal(&a->source, &b->source);
}

// Index of the route; a full Internet table has few different next hops, so the last ones are tried first.
static int route_intern(struct net_table *t, const struct route *r, uint32_t *index)
{
	for (size_t i = t->route_count, tries = 16; i > 0 && tries > 0; i--, tries--)
		if (route_same(&t->routes[i - 1], r)) {
			*index = (uint32_t)(i - 1);
			return 0;
		}
	void *items = with_room(t->routes, t->route_count, &t->route_room, sizeof(*t->routes));
	if (!items)
		return -ENOMEM;
	t->routes = items;
	*index = (uint32_t)t->route_count;
	t->routes[t->route_count++] = *r;
	return 0;
}

static void route_of_message(struct route *out, const struct route_message *r)
{
	out->ifindex = r->oif;
	if (r->gateway) {
		out->gateway = addr_of_attr(r->gateway);
	} else if (r->via && mnl_attr_get_payload_len(r->via) >= sizeof(struct rtvia) + 4) {
		// An IPv4 route through an IPv6 router (RFC 5549).
		const struct rtvia *via = mnl_attr_get_payload(r->via);
		if (via->rtvia_family == AF_INET)
			out->gateway = addr_v4(load_be32(via->rtvia_addr));
		else if (mnl_attr_get_payload_len(r->via) >= sizeof(*via) + 16)
			out->gateway = addr_v6(via->rtvia_addr);
	}
	out->has_gateway = !addr_is_none(&out->gateway);
	if (out->has_gateway)
		addr_scope(&out->gateway, out->ifindex);
	if (r->source) {
		out->source = addr_of_attr(r->source);
		out->has_source = true;
		addr_scope(&out->source, out->ifindex);
	}
}

// Among equal prefixes the lowest metric wins, then the router's preference (RFC 4191).
static uint64_t rank_of(const struct route_message *r)
{
	unsigned pref = r->pref == ICMPV6_ROUTER_PREF_HIGH ? 0 : r->pref == ICMPV6_ROUTER_PREF_LOW ? 2 : 1;
	return (uint64_t)r->metric << 2 | pref;
}

static int route_add(struct net_table *t, const struct route_message *r, int table, int type)
{
	bool v4 = r->m->rtm_family == AF_INET;
	struct route route = {.type = (uint8_t)type, .family = v4 ? ADDR_V4 : ADDR_V6};
	route_of_message(&route, r);
	uint32_t index;
	int rc = route_intern(t, &route, &index);
	if (rc)
		return rc;
	struct prefix_list *l = &t->lists[route.family][table];
	void *items = with_room(l->items, l->count, &l->room, sizeof(*l->items));
	if (!items)
		return -ENOMEM;
	l->items = items;
	struct addr base = r->dst ? addr_of_attr(r->dst) : (struct addr){0};
	l->items[l->count++] =
		(struct prefix_entry){.base = v4 ? (u128)addr_v4_value(&base) << 96 : addr_value(&base),
				      .len = r->m->rtm_dst_len,
				      .rank = rank_of(r),
				      .value = index};
	return 0;
}

static int on_route(const struct nlmsghdr *h, void *data)
{
	struct net_table *t = data;
	if (h->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(h) < sizeof(struct rtmsg))
		return MNL_CB_OK;
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	bool wanted_family = m->rtm_family == AF_INET || m->rtm_family == AF_INET6;
	if (!wanted_family || m->rtm_tos || m->rtm_src_len || (m->rtm_flags & (RTM_F_CLONED | RTNH_F_DEAD)))
		return MNL_CB_OK;
	struct route_message r = {.m = m, .table = m->rtm_table};
	route_attrs(&r, h);
	int table = table_of(r.table), type = type_of(m->rtm_type);
	if (table < 0 || type < 0)
		return MNL_CB_OK;
	if (r.multipath)
		route_pick_hop(&r, t->only_ifindex);
	if (type == ROUTE_UNICAST && (!r.oif || (t->only_ifindex && r.oif != t->only_ifindex)))
		return MNL_CB_OK;
	int rc = route_add(t, &r, table, type);
	errno = -rc;
	return rc ? MNL_CB_ERROR : MNL_CB_OK;
}

// The kernel's own rules look up one table each, for everything: 0 local, 32766 main, 32767 default.
static int on_rule(const struct nlmsghdr *h, void *data)
{
	bool *policy = data;
	if (h->nlmsg_type != RTM_NEWRULE || mnl_nlmsg_get_payload_len(h) < sizeof(struct fib_rule_hdr))
		return MNL_CB_OK;
	const struct fib_rule_hdr *m = mnl_nlmsg_get_payload(h);
	if (m->family != AF_INET && m->family != AF_INET6)
		return MNL_CB_OK;
	uint32_t priority = 0, table = m->table;
	bool narrowed = m->dst_len || m->src_len || m->tos || (m->flags & FIB_RULE_INVERT);
	const struct nlattr *a;
	netlink_attr_for_each(a, h, sizeof(*m))
	{
		uint16_t type = mnl_attr_get_type(a);
		if (type == FRA_PRIORITY)
			priority = u32_of_attr(a);
		else if (type == FRA_TABLE)
			table = u32_of_attr(a);
		else if (type == FRA_FWMARK || type == FRA_IIFNAME || type == FRA_OIFNAME)
			narrowed = true;
	}
	bool standard = (priority == 0 && table == RT_TABLE_LOCAL) ||
			(priority == 32766 && table == RT_TABLE_MAIN) ||
			(priority == 32767 && table == RT_TABLE_DEFAULT);
	if (!standard || narrowed || m->action != FR_ACT_TO_TBL)
		*policy = true;
	return MNL_CB_OK;
}

static void table_clear(struct net_table *t)
{
	t->link_count = t->own_count = t->route_count = 0;
	t->only_ifindex = 0;
	for (int f = 0; f < 2; f++)
		for (int i = 0; i < TABLES; i++)
			t->lists[f][i].count = 0;
}

static int only_set(struct net_table *t, const char *only_if, struct err_text *e)
{
	for (size_t i = 0; only_if && i < t->link_count; i++)
		if (!strcmp(t->links[i].name, only_if))
			t->only_ifindex = t->links[i].ifindex;
	if (only_if && !t->only_ifindex)
		return err_set(e, ERR_USAGE, "there is no network interface '%.15s'", only_if);
	return 0;
}

// One reading of everything. -EINTR when it was overtaken by a change.
static int collect_once(struct mnl_socket *nl, struct net_table *t, uint8_t family, const char *only_if,
			bool *policy, struct err_text *e)
{
	table_clear(t);
	const char *what = "interfaces";
	int rc = netlink_dump(nl, RTM_GETLINK, AF_UNSPEC, on_link, t);
	if (rc)
		goto out;
	rc = only_set(t, only_if, e);
	if (rc)
		return rc;
	what = "addresses";
	rc = netlink_dump(nl, RTM_GETADDR, family, on_addr, t);
	if (rc)
		goto out;
	what = "routes";
	rc = netlink_dump(nl, RTM_GETROUTE, family, on_route, t);
	if (rc)
		goto out;
	if (policy) {
		what = "routing rules";
		*policy = false;
		rc = netlink_dump(nl, RTM_GETRULE, family, on_rule, policy);
		if (rc == -EOPNOTSUPP || rc == -EAFNOSUPPORT) // a kernel without policy routing
			rc = 0;
	}
out:
	return rc ? err_set(e, rc, "cannot read the kernel's %s: %s", what, err_name(rc)) : 0;
}

int table_collect(struct net_table *t, bool want_v4, bool want_v6, const char *only_if, bool *policy,
		  struct err_text *e)
{
	struct mnl_socket *nl = netlink_open(0, e);
	if (!nl)
		return -errno;
	uint8_t family = want_v4 && want_v6 ? AF_UNSPEC : want_v6 ? AF_INET6 : AF_INET;
	int rc = -EINTR;
	for (int tries = 0; tries < READ_TRIES && rc == -EINTR; tries++) {
		if (tries) { // what is left of the old dump would be taken for the new one's
			mnl_socket_close(nl);
			nl = netlink_open(0, e);
			if (!nl)
				return -errno;
		}
		rc = collect_once(nl, t, family, only_if, policy, e);
	}
	mnl_socket_close(nl);
	return rc;
}
