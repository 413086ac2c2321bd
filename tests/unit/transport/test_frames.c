// The socket transports against a kernel in the next namespace: SYNs go out, answers come back and parse.
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net/neigh.h"
#include "net/route.h"
#include "packet/parse.h"
#include "probe/probe.h"
#include "support/lab.h"
#include "transport/frames.h"

#define OPEN_PORT 443
#define PROBES    40 // of each family
#define ERRORS    3
#define ROUNDS    6
#define ROUND_NS  (1500 * NS_PER_MS)

enum { HOP_V4, HOP_V6, HOP_LO4, HOP_LO6, HOP_LINK6, HOPS };

struct bench {
	struct probe_env env;
	struct frame_template templates[TEMPLATES_MAX];
	struct frame_hop hops[HOPS];
	const struct frame_hop *hop_table;
	frame_stamp stamps[4 * PROBES];
	frame_stamp *stamp_table;
	struct frames_config cfg;
	unsigned traced[2], sent;
};

struct target {
	struct addr dst;
	uint32_t hop;
	uint8_t technique;
	bool v6, unreachable;
};

// What came back for a target's probes.
struct tally {
	bool answered[PROBES];
	unsigned answers, open, closed, wrong_time;
	uint8_t ttl;
	uint32_t ifindex;
};

static void hop_make(struct frame_hop *h, const struct net_table *t, const char *dst, bool link)
{
	struct addr a;
	struct net_path p;
	struct err_text e;
	assert_int_equal(addr_parse(dst, &a, &e), 0);
	assert_int_equal(net_table_lookup(t, &a, &p, NULL, &e), 0);
	*h = (struct frame_hop){.ifindex = p.link->ifindex, .source = p.source};
	if (!link || p.local)
		return;
	struct neigh_query q = {.addr = a, .ifindex = p.link->ifindex};
	assert_int_equal(neigh_resolve(&q, 1, 10 * NS_PER_S, &e), 0);
	assert_true(q.resolved);
	h->has_link = true;
	memcpy(h->dst_mac, q.mac, 6);
	memcpy(h->src_mac, p.link->mac, 6);
}

static void trace(void *ctx, bool sent, const uint8_t *data, size_t len, uint16_t ethertype)
{
	struct packet_view v;
	((struct bench *)ctx)->traced[sent]++;
	assert_int_equal(packet_parse(data, len, ethertype, &v), 0);
}

static void bench_make(struct bench *b, bool link)
{
	memset(b, 0, sizeof(*b));
	b->env = (struct probe_env){.sport_base = 50000, .sport_tries = 10};
	for (int t = TECHNIQUE_TCP_SYN; t <= TECHNIQUE_NDP; t++) {
		const struct probe_ops *p = probe_get((enum technique)t);
		if (p->make_template && p->v4)
			assert_int_equal(p->make_template(&b->env, ADDR_V4, &b->templates[2 * t]), 0);
		if (p->make_template && p->v6)
			assert_int_equal(p->make_template(&b->env, ADDR_V6, &b->templates[2 * t + 1]), 0);
	}
	struct net_table *t;
	struct err_text e;
	assert_int_equal(net_table_read(&t, true, true, NULL, NULL, &e), 0);
	hop_make(&b->hops[HOP_V4], t, "198.18.0.2", link);
	hop_make(&b->hops[HOP_V6], t, "2001:db8::2", link);
	hop_make(&b->hops[HOP_LO4], t, "127.0.0.1", link);
	hop_make(&b->hops[HOP_LO6], t, "::1", link);
	hop_make(&b->hops[HOP_LINK6], t, "fe80::2%near", link);
	net_table_free(t);
	b->hop_table = b->hops;
	b->stamp_table = b->stamps;
	b->cfg = (struct frames_config){.templates = b->templates,
					.hops = &b->hop_table,
					.stamps = &b->stamp_table,
					.want_v4 = true,
					.want_v6 = true,
					.port_lo = 50000,
					.port_hi = 50009,
					.batch = 16,
					.privileged_fds = {-1, -1, -1, -1}};
}

static void desc_make(const struct bench *b, const struct target *t, unsigned i, struct frame_desc *d)
{
	*d = (struct frame_desc){.dst_hi = t->dst.hi,
				 .dst_lo = t->dst.lo,
				 .hop = t->hop,
				 .stamp = i,
				 .tmpl = (uint8_t)(2 * t->technique + t->v6),
				 .try_no = 1};
	probe_get(t->technique)->aim(&b->env, &t->dst, (uint16_t)(OPEN_PORT + i), 1, d);
}

// Counts the first answer of the wanted state for each probe (an error of our own kernel, which could not
// resolve the neighbour yet, is none).
static void reply_count(const struct bench *b, const struct target *t, const struct frame_reply *r,
			struct tally *out)
{
	struct packet_view v;
	struct probe_answer a;
	assert_int_equal(packet_parse(r->data, r->len, r->ethertype, &v), 0);
	if (probe_classify(&b->env, 1U << t->technique, &v, &a) != PROBE_ANSWER)
		return;
	unsigned i = a.port >= OPEN_PORT ? a.port - OPEN_PORT : 0;
	if (i >= PROBES || out->answered[i] || (a.state == STATE_FILTERED) != t->unreachable)
		return;
	if (a.target.lo != t->dst.lo) // a late one, of the variant before
		return;
	out->answered[i] = true;
	out->answers++;
	out->open += a.state == STATE_OPEN;
	out->closed += a.state == STATE_CLOSED;
	out->ttl = a.ttl;
	out->ifindex = r->ifindex;
	if (b->stamps[i] == 0 || (uint32_t)(r->time_ns / NS_PER_US) - b->stamps[i] > 20000000)
		out->wrong_time++;
}

static void answers_await(const struct bench *b, const struct frames_ops *ops, struct frames *f,
			  const struct target *t, unsigned n, struct tally *out)
{
	struct frame_reply r[16];
	int64_t end = clock_mono_ns() + ROUND_NS;
	while (out->answers < n && clock_mono_ns() < end) {
		struct pollfd p = {.fd = ops->fd(f), .events = POLLIN};
		poll(&p, 1, 100);
		int got = ops->recv(f, r, 16);
		assert_true(got >= 0);
		for (int i = 0; i < got; i++)
			reply_count(b, t, &r[i], out);
	}
}

// Sends `n` probes to the target (ports from OPEN_PORT on) and collects what comes back. Like a scan it sends
// again what stays silent: kernels limit their errors and lose packets while they resolve a neighbour.
static void exchange(struct bench *b, const struct frames_ops *ops, struct frames *f, const struct target *t,
		     unsigned n, struct tally *out)
{
	memset(out, 0, sizeof(*out));
	for (int round = 0; round < ROUNDS && out->answers < n; round++) {
		struct frame_desc d[PROBES];
		unsigned count = 0;
		for (unsigned i = 0; i < n; i++)
			if (!out->answered[i])
				desc_make(b, t, i, &d[count++]);
		for (unsigned done = 0, taken; done < count; done += taken)
			assert_int_equal(ops->send(f, d + done, count - done, &taken), 0);
		b->sent += count;
		answers_await(b, ops, f, t, n, out);
	}
	for (int64_t end = clock_mono_ns() + 10 * NS_PER_S; !ops->idle(f);)
		assert_true(clock_mono_ns() <
			    end); // the last answers may be here before a thread has counted
	if (out->answers != n || out->wrong_time)
		fail_msg("%s, hop %u: %u of %u answers, %u wrong times", ops->name, t->hop, out->answers, n,
			 out->wrong_time);
}

static int listener(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(OPEN_PORT)};
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(OPEN_PORT)};
	int one = 1;
	assert_true(fd >= 0);
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	assert_int_equal(family == AF_INET6 ? bind(fd, (struct sockaddr *)&a6, sizeof(a6))
					    : bind(fd, (struct sockaddr *)&a4, sizeof(a4)),
			 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

struct net {
	struct lab lab;
	int listeners[4];
};

static bool net_open(struct net *n)
{
	if (!lab_open(&n->lab))
		return false;
	lab_run("set -e; ip -6 addr add fe80::1/64 dev near nodad; ip route add 198.18.77.0/24 via "
		"198.18.0.2;"
		"ip -6 route add 2001:db8:77::/48 via 2001:db8::2; ip route add prohibit 198.18.66.0/24");
	n->listeners[0] = listener(AF_INET);
	n->listeners[1] = listener(AF_INET6);
	lab_enter(n->lab.peer);
	// Behind it networks that it says it cannot reach.
	lab_run("set -e; ip -6 addr add fe80::2/64 dev far nodad;"
		"sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.icmp_ratelimit=0 "
		"net.ipv6.icmp.ratelimit=0; ip route add unreachable 198.18.77.0/24;"
		"ip -6 route add unreachable 2001:db8:77::/48");
	n->listeners[2] = listener(AF_INET);
	n->listeners[3] = listener(AF_INET6);
	lab_enter(n->lab.scanner);
	return true;
}

static void net_close(struct net *n)
{
	for (int i = 0; i < 4; i++)
		close(n->listeners[i]);
	lab_close(&n->lab);
}

static const struct target far4 = {{.lo = 0xffffc6120002}, HOP_V4, TECHNIQUE_TCP_SYN, false};
static const struct target far6 = {{.hi = 0x20010db800000000, .lo = 2}, HOP_V6, TECHNIQUE_TCP_SYN, true};
static const struct target link6 = {{.hi = 0xfe80000000000000, .lo = 2}, HOP_LINK6, TECHNIQUE_TCP_SYN, true};
static const struct target lo4 = {{.lo = 0xffff7f000001}, HOP_LO4, TECHNIQUE_TCP_SYN, false};
static const struct target lo6 = {{.lo = 1}, HOP_LO6, TECHNIQUE_TCP_SYN, true};
static const struct target ping4 = {{.lo = 0xffffc6120002}, HOP_V4, TECHNIQUE_ICMP_ECHO, false};
static const struct target ping6 = {{.hi = 0x20010db800000000, .lo = 2}, HOP_V6, TECHNIQUE_ICMP_ECHO, true};
static const struct target beyond4 = {{.lo = 0xffffc6124d01}, HOP_V4, TECHNIQUE_TCP_SYN, false, true};
static const struct target beyond6 = {
	{.hi = 0x20010db800770000, .lo = 1}, HOP_V6, TECHNIQUE_TCP_SYN, true, true};
static const struct target forbidden4 = {{.lo = 0xffffc6124201}, HOP_V4, TECHNIQUE_TCP_SYN, false};
static const struct target arp4 = {{.lo = 0xffffc6120002}, HOP_V4, TECHNIQUE_ARP, false};
static const struct target ndp6 = {{.hi = 0x20010db800000000, .lo = 2}, HOP_V6, TECHNIQUE_NDP, true};

struct variant {
	const char *engine;
	unsigned threads;
	unsigned expected;
	bool bypass, trace;
	bool given; // sockets opened beforehand
};

static const struct variant variants[] = {
	{"rawip", 0, .trace = true},
	{"rawip", 2, .given = true},
	{"afpacket", 0, .trace = true},
	{"afpacket", 0, .bypass = true, .given = true},
	{"afpacket", 2, .bypass = true},
	{"afpacket", 0, .expected = 30000},
	{"afpacket", 2, .expected = 30000, .given = true},
};

static void check_ports(struct bench *b, const struct frames_ops *ops, struct frames *f,
			const struct target *t)
{
	struct tally got;
	exchange(b, ops, f, t, PROBES, &got);
	assert_int_equal(got.open, 1);
	assert_int_equal(got.closed, PROBES - 1);
	assert_int_equal(got.ttl, 64);
	if (t->hop != HOP_LO4 && t->hop != HOP_LO6 && (t->v6 || ops == &frames_afpacket))
		assert_int_equal(got.ifindex, b->hops[t->hop].ifindex);
}

static void run_variant(const struct variant *v)
{
	static struct bench b;
	struct frames *f;
	struct tally got;
	struct err_text e = {""};
	const struct frames_ops *ops = frames_find(v->engine);
	bool packet = ops == &frames_afpacket;
	bench_make(&b, packet);
	b.cfg.send_threads = v->threads;
	b.cfg.expected = v->expected;
	b.cfg.qdisc_bypass = v->bypass;
	b.cfg.want_arp = b.cfg.want_ndp = packet;
	b.cfg.trace = v->trace ? trace : NULL;
	b.cfg.trace_ctx = &b;
	if (v->given)
		assert_int_equal(packet ? frames_afpacket_socket(b.cfg.privileged_fds, &e)
					: frames_rawip_sockets(true, true, b.cfg.privileged_fds, &e),
				 0);
	if (ops->open(&f, &b.cfg, &e))
		fail_msg("%s: %s", v->engine, e.text);
	check_ports(&b, ops, f, &far4);
	check_ports(&b, ops, f, &far6);
	check_ports(&b, ops, f, &link6);
	exchange(&b, ops, f, &ping4, 1, &got);
	exchange(&b, ops, f, &ping6, 1, &got);
	if (packet) {
		exchange(&b, ops, f, &arp4, 1, &got);
		exchange(&b, ops, f, &ndp6, 1, &got);
	} else {
		check_ports(&b, ops, f, &lo4);
		check_ports(&b, ops, f, &lo6);
	}
	exchange(&b, ops, f, &beyond4, ERRORS, &got);
	exchange(&b, ops, f, &beyond6, ERRORS, &got);
	struct frames_stats s;
	ops->stats(f, &s);
	assert_true(b.sent >= (packet ? 3U : 5U) * PROBES + (packet ? 4 : 2) + 2 * ERRORS);
	assert_int_equal(s.handed, b.sent);
	assert_int_equal(s.not_taken, 0);
	assert_int_equal(s.dropped, 0);
	assert_true(s.received > 3 * PROBES && s.syscalls >= 3 && s.syscalls <= b.sent);
	if (v->trace)
		assert_int_equal(b.traced[1], b.sent);
	assert_int_equal(ops->close(f), 0);
}

// A new peer each time, whose limit on errors is not yet used up.
static void test_variants(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
		struct net n;
		if (!net_open(&n))
			skip();
		run_variant(&variants[i]);
		net_close(&n);
	}
}

// Frames that the kernel does not take are counted, and the others still go out.
static void test_refused_route(void **state)
{
	(void)state;
	static struct bench b;
	struct net n;
	struct frames *f;
	struct frames_stats s;
	struct err_text e;
	if (!net_open(&n))
		skip();
	bench_make(&b, false);
	b.hops[HOP_V4].ifindex = 0; // the kernel's routes alone decide
	assert_int_equal(frames_rawip.open(&f, &b.cfg, &e), 0);
	struct frame_desc d[6];
	unsigned taken;
	for (unsigned i = 0; i < 6; i++)
		desc_make(&b, i % 2 ? &far4 : &forbidden4, i, &d[i]);
	assert_int_equal(frames_rawip.send(f, d, 6, &taken), 0);
	assert_int_equal(taken, 6);
	frames_rawip.stats(f, &s);
	assert_int_equal(s.handed, 3);
	assert_int_equal(s.not_taken, 3);
	frames_rawip.close(f);
	net_close(&n);
}

// An interface that goes down costs frames for a while, and is an error when it does not come back.
static void test_interface_gone(void **state)
{
	(void)state;
	static const char *const how[] = {"ip link set near down", "ip link del near"};
	static const int want[] = {-ENETDOWN, -ENODEV};
	static struct bench b;
	for (int round = 0; round < 4; round++) {
		struct net n;
		struct frames *f;
		struct err_text e;
		if (!net_open(&n))
			skip();
		bench_make(&b, true);
		b.cfg.send_threads = (unsigned)round / 2;
		assert_int_equal(frames_afpacket.open(&f, &b.cfg, &e), 0);
		check_ports(&b, &frames_afpacket, f, &far4);
		lab_run("%s", how[round % 2]);
		struct frame_desc d[10];
		unsigned taken;
		for (unsigned i = 0; i < 10; i++)
			desc_make(&b, &far4, i, &d[i]);
		int64_t start = clock_mono_ns();
		int rc;
		while ((rc = frames_afpacket.send(f, d, 10, &taken)) == 0 &&
		       clock_mono_ns() < start + 5 * NS_PER_S)
			usleep(20000);
		assert_int_equal(rc, want[round % 2]);
		assert_true(clock_mono_ns() - start > NS_PER_S * 9 / 10);
		frames_afpacket.close(f);
		net_close(&n);
	}
}

// Fewer than were asked for means that there are no more: the sweep's timeouts rely on it.
static void test_recv_whole(void **state)
{
	(void)state;
	static struct bench b;
	// What is asked for at once, and what one recvmmsg takes.
	static const struct {
		unsigned max, batch;
	} kinds[] = {{FRAMES_RECV_DEFAULT, 0}, {64, 0}, {FRAMES_RECV_MAX, FRAMES_RECV_MAX}, {64, 16}};
	struct net n;
	struct err_text e;
	if (!net_open(&n))
		skip();
	for (int round = 0; round < 12; round++) {
		struct frames *f;
		struct frame_desc d[PROBES];
		struct frame_reply r[FRAMES_RECV_MAX];
		bool packet = round < 8, ring = round / 4 == 1;
		const struct frames_ops *ops = packet ? &frames_afpacket : &frames_rawip;
		unsigned taken, left = 5 * PROBES, max = kinds[round % 4].max, batch = kinds[round % 4].batch;
		unsigned most = batch && batch < max && !ring ? batch : max;
		bench_make(&b, packet);
		b.cfg.expected = ring ? 30000 : 0;
		b.cfg.recv_batch = batch;
		assert_int_equal(ops->open(&f, &b.cfg, &e), 0);
		for (unsigned i = 0; i < PROBES; i++)
			desc_make(&b, i % 2 && !packet ? &far6 : &far4, i + 1, &d[i]);
		for (int i = 0; i < 5; i++)
			assert_int_equal(ops->send(f, d, PROBES, &taken), 0);
		usleep(300000);
		while (left) {
			unsigned want = left < most ? left : most;
			assert_int_equal(ops->recv(f, r, max), want);
			left -= want;
		}
		assert_int_equal(ops->recv(f, r, max), 0);
		ops->close(f);
	}
	net_close(&n);
}

// Stopping with full rings neither hangs nor leaks.
static void test_close_busy(void **state)
{
	(void)state;
	static struct bench b;
	struct net n;
	struct err_text e;
	if (!net_open(&n))
		skip();
	bench_make(&b, true);
	b.cfg.send_threads = 2;
	for (int round = 0; round < 5; round++) {
		struct frames *f;
		struct frame_desc d[PROBES];
		unsigned taken = 0, total = 0;
		assert_int_equal(frames_afpacket.open(&f, &b.cfg, &e), 0);
		for (unsigned i = 0; i < PROBES; i++)
			desc_make(&b, &far4, i, &d[i]);
		for (int i = 0; i < 100; i++, total += taken)
			assert_int_equal(frames_afpacket.send(f, d, PROBES, &taken), 0);
		assert_true(total > 0);
		assert_int_equal(frames_afpacket.close(f), 0);
	}
	net_close(&n);
}

// Without rights it says what to do. Root gives its own up for this.
static void test_no_rights(void **state)
{
	(void)state;
	struct err_text e = {""};
	int fds[4], others[4];
	uid_t was = geteuid();
	if (was == 0)
		assert_int_equal(seteuid(65534), 0);
	int rawip = frames_rawip_sockets(true, true, fds, &e);
	int afpacket = frames_afpacket_socket(others, &(struct err_text){""});
	assert_int_equal(seteuid(was), 0);
	assert_int_equal(rawip, ERR_PRIVILEGE);
	assert_non_null(strstr(e.text, "cap_net_raw"));
	assert_int_equal(fds[0], -1);
	assert_int_equal(afpacket, ERR_PRIVILEGE);
	assert_null(frames_find("no-such-engine"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_rights),     cmocka_unit_test(test_variants),
		cmocka_unit_test(test_refused_route), cmocka_unit_test(test_close_busy),
		cmocka_unit_test(test_recv_whole),    cmocka_unit_test(test_interface_gone),
	};
	sigset_t all; // as the program does before its first thread
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
