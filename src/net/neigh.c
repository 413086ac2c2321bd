#include "net/neigh.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/endian.h"
#include "net/netlink.h"
#include "net/route.h"

#define STATES_UNSURE (NUD_STALE | NUD_DELAY | NUD_PROBE)
#define STATES_KNOWN  (STATES_UNSURE | NUD_REACHABLE | NUD_PERMANENT | NUD_NOARP)
#define PORT_DISCARD  9
#define REQUESTS      64 // in one send

struct resolution {
	struct neigh_query *q;
	unsigned n;
	unsigned open;    // neither resolved nor given up
	uint16_t states;  // NUD_* that count as resolved
	bool trust_fails; // NUD_FAILED is fresh, not left from an earlier attempt
	bool dump_ended;
	bool refused; // asking needs a right that we do not have
	bool done[];  // no longer waited for
};

static bool query_matches(const struct neigh_query *q, uint32_t ifindex, const struct addr *a)
{
	return q->ifindex == ifindex && q->addr.hi == a->hi && q->addr.lo == a->lo;
}

static void neighbour_apply(struct resolution *r, const struct ndmsg *m, const struct addr *a,
			    const uint8_t *mac)
{
	bool known = (m->ndm_state & r->states) && mac;
	bool failed = m->ndm_state == NUD_FAILED && r->trust_fails;
	if (!known && !failed)
		return;
	for (unsigned i = 0; i < r->n; i++) {
		struct neigh_query *q = &r->q[i];
		if (r->done[i] || !query_matches(q, (uint32_t)m->ndm_ifindex, a))
			continue;
		if (known) {
			memcpy(q->mac, mac, sizeof(q->mac));
			q->resolved = true;
		}
		r->done[i] = true;
		r->open--;
	}
}

static void neighbour_message(struct resolution *r, const struct nlmsghdr *h)
{
	if (h->nlmsg_type != RTM_NEWNEIGH || mnl_nlmsg_get_payload_len(h) < sizeof(struct ndmsg))
		return;
	const struct ndmsg *m = mnl_nlmsg_get_payload(h);
	struct addr addr = {0};
	const uint8_t *mac = NULL;
	const struct nlattr *a;
	netlink_attr_for_each(a, h, sizeof(*m))
	{
		const uint8_t *p = mnl_attr_get_payload(a);
		size_t len = mnl_attr_get_payload_len(a);
		if (mnl_attr_get_type(a) == NDA_DST && len == 4)
			addr = addr_v4(load_be32(p));
		else if (mnl_attr_get_type(a) == NDA_DST && len == 16)
			addr = addr_v6(p);
		else if (mnl_attr_get_type(a) == NDA_LLADDR && len == 6)
			mac = p;
	}
	neighbour_apply(r, m, &addr, mac);
}

static struct nlmsghdr *request_put(uint8_t *at, const struct neigh_query *q)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(at);
	h->nlmsg_type = RTM_NEWNEIGH;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE;
	struct ndmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	m->ndm_family = addr_is_v4(&q->addr) ? AF_INET : AF_INET6;
	m->ndm_ifindex = (int)q->ifindex;
	m->ndm_flags = NTF_USE;
	m->ndm_state = NUD_NONE;
	uint8_t bytes[16];
	size_t len = addr_bytes(&q->addr, bytes);
	mnl_attr_put(h, NDA_DST, len, bytes);
	return h;
}

// NTF_USE makes the kernel behave as if it had a packet for each of them.
static int requests_send(struct mnl_socket *nl, const struct resolution *r)
{
	_Alignas(struct nlmsghdr) uint8_t buf[REQUESTS * 64];
	unsigned i = 0;
	while (i < r->n) {
		size_t len = 0;
		for (; i < r->n && len + 64 <= sizeof(buf); i++)
			if (!r->done[i] && addr_is_none(&r->q[i].from))
				len += request_put(buf + len, &r->q[i])->nlmsg_len;
		if (len && mnl_socket_sendto(nl, buf, len) < 0)
			return -errno;
	}
	return 0;
}

// Without CAP_NET_ADMIN, or from a given address, the kernel resolves only for a packet: an empty datagram to
// the discard port that dies on the first hop.
static void datagram_send(const struct neigh_query *q)
{
	bool v4 = addr_is_v4(&q->addr);
	struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons(PORT_DISCARD)};
	struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_port = htons(PORT_DISCARD)};
	if (v4)
		to4.sin_addr.s_addr = htonl(addr_v4_value(&q->addr));
	else
		addr_bytes(&q->addr, to6.sin6_addr.s6_addr);
	to6.sin6_scope_id = q->ifindex;
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	int one = 1;
	if (!addr_is_none(&q->from)) { // where that fails the kernel chooses
		struct sockaddr_in6 from = {.sin6_family = AF_INET6, .sin6_scope_id = q->from.scope};
		addr_bytes(&q->from, from.sin6_addr.s6_addr);
		(void)!bind(fd, (const struct sockaddr *)&from, sizeof(from));
	}
	if (v4)
		setsockopt(fd, IPPROTO_IP, IP_TTL, &one, sizeof(one));
	else
		setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &one, sizeof(one));
	ssize_t n = sendto(fd, NULL, 0, MSG_DONTWAIT | MSG_NOSIGNAL,
			   v4 ? (const struct sockaddr *)&to4 : (const struct sockaddr *)&to6,
			   v4 ? sizeof(to4) : sizeof(to6));
	(void)n; // what stays unresolved is reported as such
	close(fd);
}

static void message_take(struct resolution *r, const struct nlmsghdr *h)
{
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(h);
	if (h->nlmsg_type == NLMSG_DONE)
		r->dump_ended = true;
	else if (h->nlmsg_type != NLMSG_ERROR)
		neighbour_message(r, h);
	else if (mnl_nlmsg_get_payload_len(h) >= sizeof(err->error) && err->error == -EPERM)
		r->refused = true;
}

// One datagram from the kernel: part of a dump, notifications, refusals of our requests.
static int messages_read(struct mnl_socket *nl, struct resolution *r)
{
	_Alignas(struct nlmsghdr) uint8_t buf[NETLINK_BYTES];
	ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
	if (n < 0 && errno == ENOBUFS) // notifications were lost: have the whole table told again
		return netlink_ask(nl, RTM_GETNEIGH, AF_UNSPEC);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	int left = (int)n;
	for (const struct nlmsghdr *h = (const void *)buf; mnl_nlmsg_ok(h, left);
	     h = mnl_nlmsg_next(h, &left))
		message_take(r, h);
	return 0;
}

// What the kernel knows already.
static int known_read(struct mnl_socket *nl, struct resolution *r)
{
	int rc = netlink_ask(nl, RTM_GETNEIGH, AF_UNSPEC);
	while (rc == 0 && !r->dump_ended)
		rc = messages_read(nl, r);
	return rc;
}

static void ask_by_datagram(const struct resolution *r, bool from_given)
{
	for (unsigned i = 0; i < r->n; i++)
		if (!r->done[i] && addr_is_none(&r->q[i].from) != from_given)
			datagram_send(&r->q[i]);
}

static int answers_await(struct mnl_socket *nl, struct resolution *r, int64_t deadline)
{
	bool asked_by_datagram = false;
	while (r->open) {
		int64_t left = deadline - clock_mono_ns();
		if (left <= 0)
			return 0;
		struct pollfd p = {.fd = mnl_socket_get_fd(nl), .events = POLLIN};
		struct timespec ts = {.tv_sec = left / NS_PER_S, .tv_nsec = left % NS_PER_S};
		int n = ppoll(&p, 1, &ts, NULL);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n <= 0)
			continue;
		int rc = messages_read(nl, r);
		if (rc)
			return rc;
		if (r->refused && !asked_by_datagram) {
			asked_by_datagram = true;
			ask_by_datagram(r, false);
		}
	}
	return 0;
}

static struct resolution *resolution_new(struct neigh_query *q, unsigned n, uint16_t states)
{
	struct resolution *r = calloc(1, sizeof(*r) + n * sizeof(r->done[0]));
	if (!r)
		return NULL;
	r->q = q;
	r->n = r->open = n;
	r->states = states;
	for (unsigned i = 0; i < n; i++)
		q[i].resolved = false;
	return r;
}

struct addr neigh_from(const struct net_table *t, const struct addr *addr, uint32_t ifindex,
		       const struct addr *source)
{
	bool kernels = addr_is_v4(addr) || addr_is_v4(source) || net_table_has_link_local(t, ifindex);
	return kernels ? (struct addr){0} : *source;
}

// Asks for what is open, and waits.
static int ask(struct mnl_socket *nl, struct resolution *r, int64_t deadline)
{
	r->trust_fails = true;
	int rc = r->open ? requests_send(nl, r) : 0;
	if (rc)
		return rc;
	ask_by_datagram(r, true);
	return answers_await(nl, r, deadline);
}

// With timeout_ns 0 nobody is asked. *open: how many are not resolved.
static int look_up(struct neigh_query *q, unsigned n, uint16_t states, int64_t timeout_ns, unsigned *open,
		   struct err_text *e)
{
	int64_t deadline = clock_mono_ns() + timeout_ns;
	struct resolution *r = resolution_new(q, n, states);
	*open = n;
	if (!r)
		return err_set(e, -ENOMEM, "out of memory");
	struct mnl_socket *nl = netlink_open(timeout_ns ? RTMGRP_NEIGH : 0, e);
	int rc = nl ? 0 : -errno;
	if (rc)
		goto out;
	rc = known_read(nl, r);
	if (!rc && timeout_ns)
		rc = ask(nl, r, deadline);
	if (rc)
		err_set(e, rc, "cannot ask the kernel for link addresses: %s", err_name(rc));
	*open = r->open;
	mnl_socket_close(nl);
out:
	free(r);
	return rc;
}

int neigh_resolve(struct neigh_query *q, unsigned n, int64_t timeout_ns, struct err_text *e)
{
	unsigned open;
	return look_up(q, n, STATES_KNOWN, timeout_ns, &open, e);
}

int neigh_unsure(struct neigh_query *q, unsigned n, bool *any, struct err_text *e)
{
	unsigned open;
	int rc = look_up(q, n, STATES_UNSURE, 0, &open, e);
	*any = open < n;
	return rc;
}
