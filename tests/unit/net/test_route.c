// Routes of a namespace of our own, where it is known what a lookup must say; without root only what every
// machine has.
#include <net/if.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/neigh.h"
#include "net/route.h"
#include "support/lab.h"

struct path_case {
	const char *dst;
	const char *link; // NULL: no route
	const char *source;
	const char *gateway; // NULL: on-link
	bool local;
};

static const struct path_case paths[] = {
	{"127.0.0.1", "lo", "127.0.0.1", NULL, true},
	{"127.9.9.9", "lo", "127.0.0.1", NULL, true},
	{"198.18.0.1", "lo", "198.18.0.1", NULL, true},
	{"198.18.0.2", "near", "198.18.0.1", NULL, false},
	{"198.18.0.255", "near", "198.18.0.1", NULL, false}, // the broadcast address
	{"198.18.5.1", "near", "198.18.0.1", "198.18.0.2", false},
	{"198.18.6.1", "lo", "198.18.6.1", NULL, true},              // any-IP
	{"198.18.7.1", "near", "198.18.0.99", "198.18.0.3", false},  // preferred source, lower metric
	{"198.18.8.1", NULL, NULL, NULL, false},                     // blackhole
	{"198.18.8.2", "near", "198.18.0.1", "198.18.0.2", false},   // a hole in it
	{"198.18.9.1", NULL, NULL, NULL, false},                     // unreachable
	{"198.18.10.1", NULL, NULL, NULL, false},                    // prohibit
	{"198.18.11.1", "near", "198.18.0.1", "198.18.0.8", false},  // throw: on to table default
	{"198.18.12.1", "near", "198.18.0.1", "2001:db8::2", false}, // RFC 5549
	{"198.19.0.1", "wire", "198.19.255.1", NULL, false},         // no link addresses
	{"203.0.113.1", "near", "198.18.0.1", "198.18.0.2", false},  // the default route
	{"::1", "lo", "::1", NULL, true},
	{"2001:db8::1", "lo", "2001:db8::1", NULL, true},
	{"2001:db8::2", "near", "2001:db8::1", NULL, false},
	{"2001:db8:5::1", "near", "2001:db8::1", "2001:db8::2", false},
	{"2001:db8:6::1", "near", "2001:db8::1", "2001:db8::4", false}, // multipath: either
	{"2001:db8:7::1", "near", "2001:db8::1", "2001:db8::3", false}, // lower metric
	{"2001:db8:8::1", NULL, NULL, NULL, false},                     // blackhole
	{"2001:db8:9::1", NULL, NULL, NULL, false},                     // unreachable
	{"2001:db8:a::1", "near", "2001:db8::1", "fe80::2%near", false},
	{"2001:db9::1", NULL, NULL, NULL, false}, // there is no default route
	{"fe80::77%near", "near", "fe80::1%near", NULL, false},
	{"fe80::1%near", "lo", "fe80::1%near", NULL, true},
	{"fe80::77", "near", "fe80::1%near", NULL, false}, // only one interface has any
	{"fd00::1", "near", "fd00::9", NULL, false},
	{"fd00:1::1", "near", "fd00::9", "2001:db8::2", false}, // the label of RFC 6724 chooses the source
};

static const char setup[] =
	"ip addr add 198.18.0.99/32 dev near; ip link set near addrgenmode none; ip -6 addr flush dev near "
	"scope link; ip addr add fe80::1/64 dev near nodad; ip addr add fd00::9/64 dev near nodad; "
	"ip tuntap add wire mode tun && ip link set wire up && ip addr add 198.19.255.1/16 dev wire;"
	"set -e; ip route add default via 198.18.0.2; ip route add 198.18.5.0/24 via 198.18.0.2;"
	"ip route add local 198.18.6.0/24 dev lo;"
	"ip route add 198.18.7.0/24 via 198.18.0.2 metric 50;"
	"ip route add 198.18.7.0/24 via 198.18.0.3 src 198.18.0.99 metric 20;"
	"ip route add blackhole 198.18.8.0/24; ip route add 198.18.8.2/32 via 198.18.0.2;"
	"ip route add unreachable 198.18.9.0/24; ip route add prohibit 198.18.10.0/24;"
	"ip route add throw 198.18.11.0/24; ip route add 198.18.11.0/24 via 198.18.0.8 table default;"
	"ip route add 198.18.12.0/24 via inet6 2001:db8::2 dev near;"
	"ip -6 route add 2001:db8:5::/48 via 2001:db8::2;"
	"ip -6 route add 2001:db8:6::/48 nexthop via 2001:db8::4 dev near nexthop via 2001:db8::5 dev near;"
	"ip -6 route add 2001:db8:7::/48 via 2001:db8::2 metric 50;"
	"ip -6 route add 2001:db8:7::/48 via 2001:db8::3 metric 20;"
	"ip -6 route add blackhole 2001:db8:8::/48; ip -6 route add unreachable 2001:db8:9::/48;"
	"ip -6 route add 2001:db8:a::/48 via fe80::2 dev near; ip -6 route add fd00:1::/48 via 2001:db8::2";

static void check_path(const struct net_table *t, const struct path_case *c)
{
	struct addr dst, want;
	struct net_path p;
	struct err_text e = {""};
	assert_int_equal(addr_parse(c->dst, &dst, NULL), 0);
	int rc = net_table_lookup(t, &dst, &p, NULL, &e);
	if (rc != (c->link ? 0 : ERR_NOROUTE))
		fail_msg("%s: %d %s", c->dst, rc, e.text);
	if (!c->link) {
		assert_non_null(strstr(e.text, c->dst));
		return;
	}
	char source[ADDR_TEXT_MAX];
	addr_format(&p.source, source);
	if (strcmp(p.link->name, c->link) || p.local != c->local || strcmp(source, c->source))
		fail_msg("%s: over %s from %s", c->dst, p.link->name, source);
	if (p.via_gateway != (c->gateway != NULL))
		fail_msg("%s: gateway %d", c->dst, p.via_gateway);
	if (c->gateway) {
		assert_int_equal(addr_parse(c->gateway, &want, NULL), 0);
		char text[ADDR_TEXT_MAX];
		addr_format(&p.gateway, text);
		if (!addr_equal(&p.gateway, &want))
			fail_msg("%s: gateway %s", c->dst, text);
	}
}

// The way to all of a span's addresses is the way to the one that was asked for. Returns how many spans were
// told.
static unsigned check_span(const struct net_table *t, const struct path_case *c)
{
	struct addr dst;
	struct net_path p, q;
	struct net_span s;
	assert_int_equal(addr_parse(c->dst, &dst, NULL), 0);
	int r = net_table_lookup(t, &dst, &p, &s, NULL);
	assert_int_equal(r == 0, c->link != NULL);
	if (r || s.first > s.last)
		return 0;
	assert_true(s.first <= addr_value(&dst) && addr_value(&dst) <= s.last);
	assert_int_equal(s.v4, addr_is_v4(&dst));
	const u128 at[] = {s.first, s.last, s.first + (s.last - s.first) / 3, addr_value(&dst)};
	for (int i = 0; i < 4; i++) {
		struct addr a = addr_of_value(at[i], 0);
		if (addr_is_v4(&a) != s.v4 || (a.hi >> 54) == 0x3fa || (a.hi >> 56) == 0xff)
			continue; // other family; those that need a scope are never looked up by value
		assert_int_equal(net_table_lookup(t, &a, &q, NULL, NULL), 0);
		assert_ptr_equal(q.link, p.link);
		assert_true(addr_equal(&q.source, &p.source));
		assert_int_equal(q.local, p.local);
		assert_int_equal(q.via_gateway, p.via_gateway);
		assert_true(!q.via_gateway || addr_equal(&q.gateway, &p.gateway));
	}
	return 1;
}

// The address that the kernel itself would send from.
static void check_source_like_kernel(const struct net_table *t, const struct path_case *c)
{
	struct addr dst, kernel;
	struct net_path p;
	assert_int_equal(addr_parse(c->dst, &dst, NULL), 0);
	assert_int_equal(net_table_lookup(t, &dst, &p, NULL, NULL), 0);
	bool v4 = addr_is_v4(&dst);
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_port = htons(9)};
	struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
	to6.sin6_scope_id = p.link->kind == LINK_LOOPBACK ? dst.scope : p.link->ifindex;
	to4.sin_addr.s_addr = htonl(addr_v4_value(&dst));
	if (!v4)
		addr_bytes(&dst, to6.sin6_addr.s6_addr);
	int one = 1;
	setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one));
	int rc = v4 ? connect(fd, (struct sockaddr *)&to4, sizeof(to4))
		    : connect(fd, (struct sockaddr *)&to6, sizeof(to6));
	if (rc)
		fail_msg("%s: the kernel has no route", c->dst);
	socklen_t len = v4 ? sizeof(to4) : sizeof(to6);
	assert_int_equal(getsockname(fd, v4 ? (struct sockaddr *)&to4 : (struct sockaddr *)&to6, &len), 0);
	close(fd);
	kernel = v4 ? addr_v4(ntohl(to4.sin_addr.s_addr)) : addr_v6(to6.sin6_addr.s6_addr);
	if (kernel.hi != p.source.hi || kernel.lo != p.source.lo) {
		char text[ADDR_TEXT_MAX];
		addr_format(&kernel, text);
		fail_msg("%s: the kernel sends from %s", c->dst, text);
	}
}

static void test_paths(void **state)
{
	(void)state;
	struct lab lab;
	if (!lab_open(&lab))
		skip();
	lab_run("{ %s; } >/dev/null", setup);
	struct net_table *t;
	struct err_text e;
	bool policy = true;
	assert_int_equal(net_table_read(&t, true, true, NULL, &policy, &e), 0);
	assert_false(policy);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		check_path(t, &paths[i]);
	unsigned spans = 0;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		spans += check_span(t, &paths[i]);
	assert_in_range(spans, 8, 12); // of IPv4 alone: here several addresses of IPv6 may be sent from
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (paths[i].link)
			check_source_like_kernel(t, &paths[i]);
	const struct net_link *near = net_table_link_named(t, "near");
	assert_non_null(near);
	assert_ptr_equal(net_table_link(t, near->ifindex), near);
	assert_int_equal(near->kind, LINK_ETHERNET);
	assert_int_equal(near->mtu, 1500);
	assert_int_not_equal(near->mac[0] | near->mac[5], 0);
	assert_int_equal(net_table_link_named(t, "wire")->kind, LINK_RAW);
	net_table_free(t);

	// One family only, a rule of somebody's, an interface that went down.
	lab_run("ip rule add from 198.18.0.99 table 77; ip link set wire down");
	assert_int_equal(net_table_read(&t, true, false, NULL, &policy, &e), 0);
	assert_true(policy);
	struct net_path p;
	struct addr a;
	assert_int_equal(addr_parse("2001:db8::2", &a, NULL), 0);
	assert_int_equal(net_table_lookup(t, &a, &p, NULL, NULL), ERR_NOROUTE);
	assert_int_equal(addr_parse("198.18.5.1", &a, NULL), 0);
	assert_int_equal(net_table_lookup(t, &a, &p, NULL, NULL), 0);
	net_table_free(t);
	lab_close(&lab);
}

static void test_one_interface(void **state)
{
	(void)state;
	struct lab lab;
	if (!lab_open(&lab))
		skip();
	lab_run("ip link add side type veth peer name edge; ip link set side up; ip link set edge up;"
		"ip addr add 198.18.1.1/24 dev side; ip route add default via 198.18.0.2;"
		"ip route add default via 198.18.1.2 metric 90");
	struct net_table *t;
	struct net_path p;
	struct err_text e;
	const struct addr far = addr_v4(0xcb007101), near = addr_v4(0xc6120002);
	assert_int_equal(net_table_read(&t, true, false, "side", NULL, &e), 0);
	assert_int_equal(net_table_lookup(t, &far, &p, NULL, &e), 0);
	assert_string_equal(p.link->name, "side");
	assert_int_equal(addr_v4_value(&p.source), 0xc6120101);
	assert_int_equal(addr_v4_value(&p.gateway), 0xc6120102);
	assert_int_equal(net_table_lookup(t, &near, &p, NULL, &e), 0); // by the default route
	assert_string_equal(p.link->name, "side");
	assert_true(net_table_is_ours(t, &(struct addr){.lo = 0xffffc6120001}));
	assert_false(net_table_is_ours(t, &near));
	net_table_free(t);
	assert_int_equal(net_table_read(&t, true, false, "nowhere", NULL, &e), ERR_USAGE);
	assert_non_null(strstr(e.text, "nowhere"));
	lab_close(&lab);
}

static void test_neighbours(void **state)
{
	(void)state;
	struct lab lab;
	if (!lab_open(&lab))
		skip();
	uint32_t near = if_nametoindex("near");
	struct neigh_query q[] = {
		{.addr = addr_v4(0xc6120002), .ifindex = near},
		{.addr = {.hi = 0x20010db800000000, .lo = 2}, .ifindex = near},
		{.addr = addr_v4(0xc6120063), .ifindex = near}, // nobody
	};
	struct err_text e;
	// Right after the links came up the kernel's first question may be lost, and it asks again in a
	// second.
	assert_int_equal(neigh_resolve(q, 2, 3000000000, &e), 0);
	for (int again = 0; again < 2; again++) {
		memset(q[0].mac, 0, 6);
		assert_int_equal(neigh_resolve(q, 3, 500000000, &e), 0);
		assert_true(q[0].resolved);
		assert_true(q[1].resolved);
		assert_false(q[2].resolved);
		assert_memory_equal(q[0].mac, q[1].mac, 6);
	}
	uint8_t far[6];
	memcpy(far, q[0].mac, 6);
	// What the kernel has just heard of is sure; what it has from long ago is not, and it would not ask
	// again.
	bool any = true;
	assert_int_equal(neigh_unsure(q, 3, &any, &e), 0);
	assert_false(any || q[0].resolved || q[1].resolved || q[2].resolved);
	for (unsigned i = 0; i < 3; i++) {
		static const char *const texts[] = {"198.18.0.2", "2001:db8::2", "198.18.0.99"};
		uint8_t mac[6] = {2, 0, 0, 0, 0, (uint8_t)i};
		lab_run("ip neigh replace %s lladdr 02:00:00:00:00:0%u nud stale dev near", texts[i], i);
		assert_int_equal(neigh_unsure(q, 3, &any, &e), 0);
		assert_true(any && q[i].resolved);
		assert_memory_equal(q[i].mac, mac, 6);
		lab_run("ip neigh replace %s lladdr 02:00:00:00:00:0%u nud permanent dev near", texts[i], i);
		assert_int_equal(neigh_unsure(q, 3, &any, &e), 0);
		assert_false(any || q[i].resolved);
		lab_run("ip neigh del %s dev near", texts[i]);
	}
	lab_enter(lab.peer);
	struct net_table *t;
	assert_int_equal(net_table_read(&t, true, true, NULL, NULL, &e), 0);
	assert_memory_equal(far, net_table_link_named(t, "far")->mac, 6);
	net_table_free(t);
	lab_close(&lab);
}

// From a link without a link-local address the kernel solicits nobody, unless it has a packet for them.
static void test_neighbours_without_link_local(void **state)
{
	(void)state;
	struct lab lab;
	if (!lab_open(&lab))
		skip();
	uint32_t near = if_nametoindex("near");
	const struct addr source = {.hi = 0x20010db800000000, .lo = 1};
	const struct addr v4 = addr_v4(0xc6120002), v4_source = addr_v4(0xc6120001);
	struct neigh_query q[] = {
		{.addr = {.hi = 0x20010db800000000, .lo = 2}, .ifindex = near},
		{.addr = {.hi = 0x20010db800000000, .lo = 0x99}, .ifindex = near}, // nobody
		{.addr = v4, .ifindex = near},
	};
	struct err_text e;
	lab_run("ip -6 addr flush dev near scope link; ip addr add fe80::1/64 dev near nodad");
	for (int without = 0; without < 2; without++) {
		struct net_table *t;
		if (without)
			lab_run("ip addr del fe80::1/64 dev near; ip neigh flush dev near");
		assert_int_equal(net_table_read(&t, true, true, NULL, NULL, &e), 0);
		assert_int_equal(net_table_has_link_local(t, near), !without);
		for (unsigned i = 0; i < 2; i++) {
			q[i].from = neigh_from(t, &q[i].addr, near, &source);
			assert_true(addr_equal(&q[i].from, without ? &source : &(struct addr){0}));
		}
		q[2].from = neigh_from(t, &v4, near, &v4_source);
		assert_true(addr_equal(&q[2].from, &(struct addr){0}));
		assert_int_equal(neigh_resolve(q, 3, 3000000000, &e), 0);
		assert_true(q[0].resolved);
		assert_false(q[1].resolved);
		assert_true(q[2].resolved);
		assert_memory_equal(q[0].mac, q[2].mac, 6);
		net_table_free(t);
	}
	lab_close(&lab);
}

// Needs no rights: this process can always read its own namespace.
static void test_loopback(void **state)
{
	(void)state;
	struct net_table *t;
	struct net_path p;
	struct err_text e;
	assert_int_equal(net_table_read(&t, true, true, NULL, NULL, &e), 0);
	const struct addr home = addr_v4(0x7f000001);
	const struct net_link *lo = net_table_link_named(t, "lo");
	if (lo && lo->up) {
		assert_int_equal(lo->kind, LINK_LOOPBACK);
		assert_int_equal(net_table_lookup(t, &home, &p, NULL, &e), 0);
		assert_true(p.local);
		assert_true(addr_equal(&p.source, &home));
		assert_true(net_table_is_ours(t, &home));
	}
	assert_null(net_table_link_named(t, "no-such-link"));
	assert_null(net_table_link(t, 0));
	net_table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_one_interface),
		cmocka_unit_test(test_neighbours),
		cmocka_unit_test(test_neighbours_without_link_local),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
