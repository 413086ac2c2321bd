// The XDP programs, each run on single packets by the kernel (BPF_PROG_TEST_RUN): what the emitter writes is
// what packet/build.c writes, for every technique and family; what the receiver takes is what the probes
// would accept.
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <netinet/in.h>

#include "probe/probe.h"
#include "transport/xdp/answers.h"
#include "transport/xdp/programs.h"
#include "transport/xdp/shapes.h"
#include "unit/packet/craft.h"

#define ROUNDS 50
#define LINK   14
#define LEAST  60
#define SYN    0x02
#define RST    0x04
#define ACK    0x10

// What a set-up function opened; loading programs is root's, others skip the test.
static void *opened(void **state)
{
	if (!*state)
		skip();
	return *state;
}

static const struct probe_env env = {
	.cookie_key = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
	.sport_base = 40000,
	.sport_tries = 10,
};

static struct addr address(const char *text)
{
	struct addr a;
	assert_int_equal(addr_parse(text, &a, NULL), 0);
	return a;
}

// ---- the emitter

static int emitter_setup(void **state)
{
	if (geteuid() != 0)
		return 0;
	struct emitter_bpf *b = emitter_bpf__open();
	assert_non_null(b);
	assert_int_equal(bpf_map__set_max_entries(b->maps.hops, 4), 0);
	assert_int_equal(emitter_bpf__load(b), 0);
	const uint32_t slot = 3, loopback = 1;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(b->maps.ports), &slot, &loopback, 0), 0);
	*state = b;
	return 0;
}

static int emitter_teardown(void **state)
{
	emitter_bpf__destroy(*state);
	return 0;
}

// One run of the first lane's program over a frame full of old bytes; returns the action.
static uint32_t emit(const struct emitter_bpf *b, unsigned size, uint8_t *out, uint32_t *len)
{
	uint8_t old[XDP_TEMPLATE];
	memset(old, 0xa5, sizeof(old));
	struct bpf_test_run_opts o = {.sz = sizeof(o),
				      .data_in = old,
				      .data_size_in = size,
				      .data_out = out,
				      .data_size_out = 4096,
				      .repeat = 1};
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(b->progs.emit0), &o), 0);
	*len = o.data_size_out;
	return o.retval;
}

static uint64_t any(void)
{
	uint64_t x = 0;
	for (int i = 0; i < 5; i++)
		x = x << 15 ^ (uint64_t)(unsigned)rand();
	return x;
}

static void check_frame(struct emitter_bpf *b, const struct probe_ops *p, const struct frame_template *t,
			const struct frame_hop *hop, uint64_t k)
{
	uint8_t want[FRAME_MAX + LEAST] = {0}, got[4096];
	uint32_t len;
	struct frame_desc d = {.hop = 1, .tmpl = 5};
	struct addr dst = {.hi = any(), .lo = any()};
	if (t->family == ADDR_V4)
		dst = addr_v4((uint32_t)any());
	d.dst_hi = dst.hi;
	d.dst_lo = dst.lo;
	p->aim(&env, &dst, (uint16_t)any(), 1 + (unsigned)k % 9, &d);
	size_t wanted = frame_build(t, hop, &d, true, want);
	if (wanted < LEAST) {
		memset(want + wanted, 0, LEAST - wanted);
		wanted = LEAST;
	}
	b->bss->descs[0][k % XDP_RING] = (struct xdp_desc){
		.dst_hi = d.dst_hi,
		.dst_lo = d.dst_lo,
		.cookie = d.cookie,
		.sport = d.sport,
		.dport = d.dport,
		.where = xdp_where(d.hop, d.tmpl) | (k % 2 ? XDP_TIMED : 0),
	};
	b->bss->lanes[0].head = k + 1;
	assert_int_equal(emit(b, k % 3 ? LEAST : XDP_TEMPLATE, got, &len), XDP_REDIRECT);
	assert_int_equal(len, wanted);
	assert_memory_equal(got, want, wanted);
	assert_int_equal(b->bss->lanes[0].next, k + 1);
	assert_true((b->bss->descs[0][k % XDP_RING].time_us != 0) == (k % 2 != 0));
}

static void test_every_technique(void **state)
{
	struct emitter_bpf *b = opened(state);
	const uint32_t index = 1;
	uint64_t k = 0;
	srand(1);
	for (unsigned family = 0; family < 2; family++) {
		struct frame_hop hop = {.dst_mac = {2, 3, 4, 5, 6, 7},
					.src_mac = {8, 9, 10, 11, 12, 13},
					.source = address(family ? "2001:db8::2" : "198.18.0.2")};
		struct xdp_hop h;
		xdp_shape_hop(&h, &hop, 3);
		assert_int_equal(bpf_map_update_elem(bpf_map__fd(b->maps.hops), &index, &h, 0), 0);
		unsigned techniques = 0;
		for (unsigned n = 0; n < TECHNIQUE_COUNT; n++) {
			const struct probe_ops *p = probe_get((enum technique)n);
			struct frame_template t;
			if (!p->make_template || !(family ? p->v6 : p->v4))
				continue;
			assert_int_equal(p->make_template(&env, family ? ADDR_V6 : ADDR_V4, &t), 0);
			xdp_shape(&b->bss->templates[5], &t);
			for (unsigned i = 0; i < ROUNDS; i++)
				check_frame(b, p, &t, &hop, k++);
			techniques++;
		}
		assert_true(techniques >= 4);
	}
}

static void test_empty_and_broken(void **state)
{
	struct emitter_bpf *b = opened(state);
	uint8_t got[4096];
	uint32_t len;
	assert_int_equal(emit(b, LEAST, got, &len), XDP_DROP); // nothing to send
	assert_int_equal(b->bss->lanes[0].next, 0);
	assert_true(b->bss->lanes[0].polls > 0);
	b->bss->descs[0][0].where = xdp_where(0u, 31u); // no such template
	b->bss->descs[0][1].where = xdp_where(0u, 7u);  // an empty one
	b->bss->templates[8] = (struct xdp_template){.len = 60};
	b->bss->descs[0][2].where = xdp_where(99u, 8u); // no such hop
	b->bss->lanes[0].head = 3;
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(emit(b, LEAST, got, &len), XDP_DROP);
		assert_int_equal(b->bss->lanes[0].next, i);
	}
	assert_int_equal(emit(b, LEAST, got, &len), XDP_DROP);
	assert_int_equal(b->bss->lanes[0].tail, 3); // published when the ring runs empty
}

// ---- the receiver

struct rx {
	struct receiver_bpf *b;
	struct answers *answers;
};

static int rx_setup(void **state)
{
	static struct rx rx;
	struct rx *r = &rx;
	if (geteuid() != 0)
		return 0;
	r->b = receiver_bpf__open();
	assert_non_null(r->b);
	assert_int_equal(answers_size(r->b), 0);
	assert_int_equal(receiver_bpf__load(r->b), 0);
	struct xdp_wanted *w = &r->b->bss->wanted;
	memcpy(w->key, env.cookie_key.bytes, sizeof(w->key));
	w->port_lo = env.sport_base;
	w->port_hi = (uint16_t)(env.sport_base + env.sport_tries - 1);
	w->syn = TECHNIQUE_TCP_SYN;
	w->ack = TECHNIQUE_TCP_ACK;
	const char *const sources[] = {"198.18.0.2", "2001:db8::2"};
	for (unsigned i = 0; i < 2; i++) {
		struct addr a = address(sources[i]);
		w->sources[i][0] = a.hi;
		w->sources[i][1] = a.lo;
	}
	w->source_count = 2;
	assert_int_equal(answers_open(&r->answers, r->b), 0);
	*state = r;
	return 0;
}

static int rx_teardown(void **state)
{
	struct rx *r = *state;
	if (!r)
		return 0;
	answers_close(r->answers);
	receiver_bpf__destroy(r->b);
	return 0;
}

static uint64_t rejected(const struct rx *r)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < XDP_CPUS; i++)
		sum += r->b->bss->counts[i].rejected;
	return sum;
}

// Runs the program on `len` bytes behind a link header; the packet stays as it was.
static uint32_t rx_run(const struct rx *r, const uint8_t *packet, size_t len, uint16_t ethertype)
{
	uint8_t frame[LINK + CRAFT_MAX] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, out[4096];
	frame[12] = (uint8_t)(ethertype >> 8);
	frame[13] = (uint8_t)ethertype;
	memcpy(frame + LINK, packet, len);
	struct bpf_test_run_opts o = {.sz = sizeof(o),
				      .data_in = frame,
				      .data_size_in = (uint32_t)(LINK + len),
				      .data_out = out,
				      .data_size_out = sizeof(out),
				      .repeat = 1};
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(r->b->progs.receive), &o), 0);
	assert_int_equal(o.data_size_out, LINK + len);
	assert_memory_equal(out, frame, LINK + len);
	return o.retval;
}

enum fate { UNTOUCHED, COUNTED, PASSED_ON, ENDED };

static void check_fate(struct rx *r, const char *what, const struct craft *c, enum fate fate)
{
	struct frame_reply reply;
	uint64_t before = rejected(r);
	uint32_t action = rx_run(r, c->bytes, c->len, c->ethertype);
	unsigned n = answers_take(r->answers, &reply, 1);
	if (action != (fate == ENDED ? XDP_DROP : XDP_PASS) || n != (fate >= PASSED_ON) ||
	    rejected(r) - before != (fate == COUNTED))
		fail_msg("%s: action %u, %u records, %u rejected", what, action, n,
			 (unsigned)(rejected(r) - before));
	if (!n)
		return;
	size_t kept = c->len < XDP_RECORD_MAX ? c->len : XDP_RECORD_MAX;
	assert_int_equal(reply.len, kept);
	assert_int_equal(reply.ethertype, c->ethertype);
	assert_memory_equal(reply.data, c->bytes, kept);
	assert_true(reply.time_ns > 0);
}

struct tcp_case {
	const char *what;
	uint8_t flags, technique;
	int sport, wrong; // distance of the source port from ours; error in the number
	const char *to;   // NULL: us
	bool keep;
	enum fate fate;
};

static const struct tcp_case tcp_cases[] = {
	{"syn-ack", SYN | ACK, TECHNIQUE_TCP_SYN, 0, 0, NULL, false, PASSED_ON},
	{"syn-ack, the kernel shall not see it", SYN | ACK, TECHNIQUE_TCP_SYN, 0, 0, NULL, true, ENDED},
	{"syn-ack to the last port", SYN | ACK, TECHNIQUE_TCP_SYN, 9, 0, NULL, false, PASSED_ON},
	{"syn-ack with a wrong number", SYN | ACK, TECHNIQUE_TCP_SYN, 0, 1, NULL, false, COUNTED},
	{"syn-ack to a port below", SYN | ACK, TECHNIQUE_TCP_SYN, -1, 0, NULL, false, UNTOUCHED},
	{"syn-ack to a port above", SYN | ACK, TECHNIQUE_TCP_SYN, 10, 0, NULL, false, UNTOUCHED},
	{"syn-ack to somebody else", SYN | ACK, TECHNIQUE_TCP_SYN, 0, 0, "198.18.0.3 2001:db8::3", false,
	 UNTOUCHED},
	{"reset", RST | ACK, TECHNIQUE_TCP_SYN, 3, 0, NULL, false, ENDED},
	{"reset with a wrong number", RST | ACK, TECHNIQUE_TCP_SYN, 3, -1, NULL, false, COUNTED},
	{"reset of an ACK probe", RST, TECHNIQUE_TCP_ACK, 0, 0, NULL, false, ENDED},
	{"… with a wrong number", RST, TECHNIQUE_TCP_ACK, 0, 7, NULL, false, COUNTED},
	{"a SYN to us", SYN, TECHNIQUE_TCP_SYN, 0, 0, NULL, false, UNTOUCHED},
	{"data to us", ACK, TECHNIQUE_TCP_SYN, 0, 0, NULL, false, UNTOUCHED},
};

static const char *const them[] = {"198.18.7.9", "2001:db8:7::9"};
static const char *const us[] = {"198.18.0.2", "2001:db8::2"};

static void make_answer(const struct tcp_case *t, unsigned family, struct craft *c)
{
	struct addr src = address(them[family]), dst = address(us[family]);
	char both[64];
	if (t->to) {
		snprintf(both, sizeof(both), "%s", t->to);
		char *space = strchr(both, ' ');
		*space = '\0';
		dst = address(family ? space + 1 : both);
	}
	uint16_t port = (uint16_t)(env.sport_base + t->sport);
	uint32_t cookie = probe_cookie(&env, t->technique, &src, port, 443) + (uint32_t)t->wrong;
	struct craft_tcp tcp = {.sport = 443, .dport = port, .flags = t->flags, .window = 1024};
	if (t->technique == TECHNIQUE_TCP_SYN)
		tcp.ack = cookie + 1;
	else
		tcp.seq = cookie;
	craft_tcp(c, &src, &dst, &tcp);
}

static void test_segments(void **state)
{
	struct rx *r = opened(state);
	for (unsigned i = 0; i < sizeof(tcp_cases) / sizeof(tcp_cases[0]); i++) {
		for (unsigned family = 0; family < 2; family++) {
			struct craft c;
			make_answer(&tcp_cases[i], family, &c);
			r->b->bss->wanted.keep = tcp_cases[i].keep;
			check_fate(r, tcp_cases[i].what, &c, tcp_cases[i].fate);
		}
	}
}

// An error of a router about our SYN (or ACK) to `them`, with so many bytes of it.
static void make_error(unsigned family, uint8_t technique, int wrong, size_t quote, struct craft *c)
{
	struct addr src = address(us[family]), dst = address(them[family]);
	struct addr router = address(family ? "2001:db8:1::1" : "198.18.1.1");
	uint32_t cookie = probe_cookie(&env, technique, &dst, env.sport_base, 443) + (uint32_t)wrong;
	struct craft_tcp tcp = {.sport = env.sport_base, .dport = 443};
	tcp.flags = technique == TECHNIQUE_TCP_SYN ? SYN : ACK;
	tcp.seq = technique == TECHNIQUE_TCP_SYN ? cookie : 0x12345678;
	tcp.ack = technique == TECHNIQUE_TCP_SYN ? 0 : cookie;
	struct craft inner;
	craft_tcp(&inner, &src, &dst, &tcp);
	const uint8_t v4[] = {3, 13}, v6[] = {1, 1};
	craft_icmp_error(c, &router, &src, family ? v6 : v4, inner.bytes, quote ? quote : inner.len);
}

static void test_errors(void **state)
{
	struct rx *r = opened(state);
	struct craft c;
	for (unsigned family = 0; family < 2; family++) {
		size_t header = family ? 40 : 20;
		make_error(family, TECHNIQUE_TCP_SYN, 0, 0, &c);
		check_fate(r, "error about a SYN", &c, ENDED);
		make_error(family, TECHNIQUE_TCP_SYN, 0, header + 8, &c);
		check_fate(r, "error about a SYN, short", &c, ENDED);
		make_error(family, TECHNIQUE_TCP_SYN, 1, 0, &c);
		check_fate(r, "error with a wrong number", &c, COUNTED);
		make_error(family, TECHNIQUE_TCP_ACK, 0, 0, &c);
		check_fate(r, "error about an ACK", &c, ENDED);
		make_error(family, TECHNIQUE_TCP_SYN, 0, header + 7, &c);
		check_fate(r, "error that quotes too little", &c, UNTOUCHED);
	}
}

// Cut anywhere, nothing is taken for an answer that does not prove itself.
static void test_cut_short(void **state)
{
	struct rx *r = opened(state);
	struct frame_reply reply;
	for (unsigned family = 0; family < 2; family++) {
		struct craft c;
		make_answer(&tcp_cases[0], family, &c);
		for (size_t len = 1; len < c.len; len++) {
			assert_int_equal(rx_run(r, c.bytes, len, c.ethertype), XDP_PASS);
			assert_int_equal(answers_take(r->answers, &reply, 1), 0);
		}
		make_error(family, TECHNIQUE_TCP_SYN, 0, 0, &c);
		size_t proof = (family ? 40 + 8 + 40 : 20 + 8 + 20) + 8;
		for (size_t len = 1; len < c.len; len++) {
			bool proven = len >= proof;
			assert_int_equal(rx_run(r, c.bytes, len, c.ethertype), proven ? XDP_DROP : XDP_PASS);
			assert_int_equal(answers_take(r->answers, &reply, 1), proven);
		}
	}
}

static void test_others(void **state)
{
	struct rx *r = opened(state);
	struct craft c;
	const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};
	struct addr a = address(them[0]), b = address(us[0]), a6 = address(them[1]), b6 = address(us[1]);
	make_answer(&tcp_cases[0], 0, &c);
	c.bytes[6] = 0x20; // more fragments
	check_fate(r, "a first fragment", &c, UNTOUCHED);
	c.bytes[6] = 0;
	c.bytes[7] = 3;
	check_fate(r, "a later fragment", &c, UNTOUCHED);
	make_answer(&tcp_cases[0], 0, &c);
	c.ethertype = 0x8100;
	check_fate(r, "behind a VLAN tag", &c, UNTOUCHED);
	craft_arp(&c, 2, mac, &a, &b);
	check_fate(r, "ARP that is not wanted", &c, UNTOUCHED);
	r->b->bss->wanted.arp = r->b->bss->wanted.ndp = 1;
	check_fate(r, "ARP reply", &c, PASSED_ON);
	craft_arp(&c, 1, mac, &a, &b);
	check_fate(r, "ARP request", &c, UNTOUCHED);
	craft_advert(&c, &a6, &b6, 255, &a6, mac);
	check_fate(r, "neighbour advertisement", &c, PASSED_ON);
	const struct craft_icmp ours = {(const uint8_t[]){0, 0}, env.sport_base, 5};
	craft_icmp(&c, &a, &b, &ours, "abcd", 4);
	check_fate(r, "echo reply", &c, PASSED_ON);
	const struct craft_icmp other = {(const uint8_t[]){0, 0}, 7, 5};
	craft_icmp(&c, &a, &b, &other, "abcd", 4);
	check_fate(r, "somebody's echo reply", &c, UNTOUCHED);
	const struct craft_icmp request = {(const uint8_t[]){8, 0}, env.sport_base, 5};
	craft_icmp(&c, &a, &b, &request, "abcd", 4);
	check_fate(r, "echo request", &c, UNTOUCHED);
}

// Each CPU has a ring of its own: the test stays on the one where it is.
static void pin(void)
{
	cpu_set_t here;
	CPU_ZERO(&here);
	CPU_SET((size_t)sched_getcpu(), &here);
	assert_int_equal(sched_setaffinity(0, sizeof(here), &here), 0);
}

// More than the ring holds: what finds no room is counted, and the ring can be read again after that.
static void test_overflow(void **state)
{
	struct rx *r = opened(state);
	struct craft c;
	struct frame_reply replies[256];
	pin();
	make_answer(&tcp_cases[7], 0, &c);
	unsigned room = (unsigned)((r->b->rodata->ring_mask + 1) / xdp_record_bytes(c.len)), taken = 0;
	assert_false(answers_behind(r->answers));
	for (unsigned i = 0; i < room + 100; i++)
		assert_int_equal(rx_run(r, c.bytes, c.len, c.ethertype), XDP_DROP);
	assert_true(answers_behind(r->answers));
	for (unsigned n; (n = answers_take(r->answers, replies, 256)) > 0; taken += n)
		for (unsigned i = 0; i < n; i++)
			assert_memory_equal(replies[i].data, c.bytes, c.len);
	uint64_t lost = 0;
	for (unsigned i = 0; i < XDP_CPUS; i++)
		lost += r->b->bss->counts[i].lost;
	assert_int_equal(lost, 100);
	assert_int_equal(taken, room);
	assert_false(answers_behind(r->answers));
	check_fate(r, "after the overflow", &c, ENDED);
}

static bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	return poll(&p, 1, 0) == 1;
}

// Whoever waits is woken by a record, also by one that came just before.
static void test_waking(void **state)
{
	struct rx *r = opened(state);
	struct craft c;
	struct frame_reply replies[4];
	make_answer(&tcp_cases[7], 0, &c);
	for (unsigned round = 0; round < 3; round++) {
		int fd = answers_fd(r->answers);
		assert_false(readable(fd));
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(rx_run(r, c.bytes, c.len, c.ethertype), XDP_DROP);
		assert_true(readable(fd));
		assert_int_equal(answers_take(r->answers, replies, 4), 3);
		assert_false(readable(fd));
		assert_int_equal(rx_run(r, c.bytes, c.len, c.ethertype), XDP_DROP);
		assert_false(readable(fd)); // nobody waits
		assert_true(readable(answers_fd(r->answers)));
		assert_int_equal(answers_take(r->answers, replies, 4), 1);
	}
}

#define EMITTER(test) cmocka_unit_test_setup_teardown(test, emitter_setup, emitter_teardown)
#define RX(test)      cmocka_unit_test_setup_teardown(test, rx_setup, rx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EMITTER(test_every_technique),
		EMITTER(test_empty_and_broken),
		RX(test_segments),
		RX(test_errors),
		RX(test_cut_short),
		RX(test_others),
		RX(test_overflow),
		RX(test_waking),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
