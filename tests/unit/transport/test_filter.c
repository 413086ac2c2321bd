// The filters run in a small interpreter of classic BPF over packets made by hand, whole and cut short.
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "transport/filter.h"
#include "unit/packet/craft.h"

#define PORT     50000 // in the range
#define PORT_LO  49999
#define PORT_HI  50009
#define NO_DATA  (-1)
#define STEP_MAX 1000

// What the kernel knows of a packet beside its bytes.
struct beside {
	uint16_t protocol, vlan_tci;
	bool vlan, loopback;
};

static int64_t load_at(const uint8_t *p, size_t len, const struct beside *b, unsigned code, uint32_t at)
{
	switch (at) {
	case (uint32_t)SKF_AD_OFF + SKF_AD_PROTOCOL:
		return b->protocol;
	case (uint32_t)SKF_AD_OFF + SKF_AD_HATYPE:
		return b->loopback ? ARPHRD_LOOPBACK : ARPHRD_ETHER;
	case (uint32_t)SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT:
		return b->vlan;
	case (uint32_t)SKF_AD_OFF + SKF_AD_VLAN_TAG:
		return b->vlan_tci;
	}
	size_t size = BPF_SIZE(code) == BPF_W ? 4 : BPF_SIZE(code) == BPF_H ? 2 : 1;
	if (at > len || size > len - at)
		return NO_DATA;
	int64_t v = 0;
	for (size_t i = 0; i < size; i++)
		v = v << 8 | p[at + i];
	return v;
}

static uint32_t alu(const struct sock_filter *c, uint32_t a, uint32_t x)
{
	uint32_t k = BPF_SRC(c->code) == BPF_X ? x : c->k;
	switch (BPF_OP(c->code)) {
	case BPF_ADD:
		return a + k;
	case BPF_AND:
		return a & k;
	case BPF_LSH:
		return a << k;
	default:
		fail_msg("an operation that the test does not know: %#x", c->code);
		return 0;
	}
}

static bool test_of(const struct sock_filter *c, uint32_t a)
{
	switch (BPF_OP(c->code)) {
	case BPF_JEQ:
		return a == c->k;
	case BPF_JGT:
		return a > c->k;
	case BPF_JGE:
		return a >= c->k;
	case BPF_JSET:
		return a & c->k;
	default:
		fail_msg("a jump that the test does not know: %#x", c->code);
		return false;
	}
}

// Does the packet pass?
static bool run(const struct filter *f, const uint8_t *p, size_t len, const struct beside *b)
{
	uint32_t a = 0, x = 0;
	for (unsigned pc = 0, steps = 0; steps < STEP_MAX; pc++, steps++) {
		assert_true(pc < f->len);
		const struct sock_filter *c = &f->code[pc];
		int64_t v = 0;
		switch (BPF_CLASS(c->code)) {
		case BPF_LD:
			v = load_at(p, len, b, c->code, c->k + (BPF_MODE(c->code) == BPF_IND ? x : 0));
			a = (uint32_t)v;
			break;
		case BPF_LDX:
			assert_int_equal(BPF_MODE(c->code), BPF_MSH);
			v = load_at(p, len, b, BPF_B, c->k);
			x = ((uint32_t)v & 15) * 4;
			break;
		case BPF_ALU:
			a = alu(c, a, x);
			break;
		case BPF_MISC:
			x = a;
			break;
		case BPF_JMP:
			pc += test_of(c, a) ? c->jt : c->jf;
			break;
		case BPF_RET:
			return c->k != 0;
		}
		if (v == NO_DATA)
			return false;
	}
	fail_msg("the program does not end");
	return false;
}

static const struct addr us4 = {.lo = 0xffffc6120001}, them4 = {.lo = 0xffffc6120002};
static const struct addr us6 = {.hi = 0x20010db800000000, .lo = 1};
static const struct addr them6 = {.hi = 0x20010db800000000, .lo = 2};

enum sample_kind { SAMPLE_TCP, SAMPLE_UDP, SAMPLE_ICMP, SAMPLE_ERROR, SAMPLE_ARP, SAMPLE_NA };

struct sample {
	const char *name;
	enum sample_kind kind;
	uint16_t dport;   // ours; of an error: the one it quotes
	uint8_t flags;    // TCP; of an error: the protocol it quotes
	uint8_t type[2];  // ICMP type for IPv4, for IPv6; ARP: operation
	uint16_t patch16; // IPv4 fragment field
	bool raw, packet; // passes the raw socket of its protocol, the packet socket
};

static const struct sample samples[] = {
	{"SYN-ACK", SAMPLE_TCP, PORT, TCP_SYN | TCP_ACK, .raw = true, .packet = true},
	{"RST", SAMPLE_TCP, PORT_LO, TCP_RST, .raw = true, .packet = true},
	{"RST-ACK", SAMPLE_TCP, PORT_HI, TCP_RST | TCP_ACK, .raw = true, .packet = true},
	{"mere ACK", SAMPLE_TCP, PORT, TCP_ACK},
	{"data", SAMPLE_TCP, PORT, TCP_ACK | TCP_PSH},
	{"port below", SAMPLE_TCP, PORT_LO - 1, TCP_SYN | TCP_ACK},
	{"port above", SAMPLE_TCP, PORT_HI + 1, TCP_RST},
	{"later fragment", SAMPLE_TCP, PORT, TCP_RST, .patch16 = 0x2001},
	{"first fragment", SAMPLE_TCP, PORT, TCP_RST, .patch16 = 0x2000, .raw = true, .packet = true},
	{"UDP", SAMPLE_UDP, PORT, .packet = true},
	{"UDP to another", SAMPLE_UDP, 53},
	{"echo reply", SAMPLE_ICMP, .type = {0, 129}, .raw = true, .packet = true},
	{"echo request", SAMPLE_ICMP, .type = {8, 128}},
	{"redirect", SAMPLE_ICMP, .type = {5, 137}},
	{"router advertisement", SAMPLE_ICMP, .type = {9, 134}},
	{"unreachable", SAMPLE_ERROR, PORT, IPPROTO_TCP, {3, 1}, .raw = true, .packet = true},
	{"time exceeded", SAMPLE_ERROR, PORT, IPPROTO_UDP, {11, 3}, .raw = true, .packet = true},
	{"another's error", SAMPLE_ERROR, 443, IPPROTO_TCP, {3, 1}},
	{"error about a ping", SAMPLE_ERROR, 443, IPPROTO_ICMP, {3, 1}, .raw = true, .packet = true},
	{"parameter problem", SAMPLE_ERROR, PORT, IPPROTO_SCTP, {12, 4}, .raw = true, .packet = true},
};

static void make(const struct sample *s, bool v6, struct craft *c)
{
	const struct addr *src = v6 ? &them6 : &them4, *dst = v6 ? &us6 : &us4;
	struct craft quoted;
	uint8_t l4[8] = {0, 53, (uint8_t)(s->dport >> 8), (uint8_t)s->dport, 0, 8};
	uint8_t type_code[2] = {s->type[v6], 0};
	switch (s->kind) {
	case SAMPLE_TCP:
		craft_tcp(c, src, dst,
			  &(struct craft_tcp){.sport = 443, .dport = s->dport, .flags = s->flags});
		break;
	case SAMPLE_UDP:
		craft_ip(c, src, dst, &(struct craft_ip){64, IPPROTO_UDP}, l4, sizeof(l4));
		break;
	case SAMPLE_ICMP:
		craft_icmp(c, src, dst, &(struct craft_icmp){type_code, 1, 2}, "body", 4);
		break;
	case SAMPLE_ERROR:
		memcpy(l4, (uint8_t[4]){(uint8_t)(s->dport >> 8), (uint8_t)s->dport, 1, 187}, 4);
		craft_ip(&quoted, dst, src, &(struct craft_ip){64, s->flags}, l4, sizeof(l4));
		craft_icmp_error(c, src, dst, type_code, quoted.bytes, quoted.len);
		break;
	default:
		fail_msg("%s", s->name);
	}
	if (s->patch16 && !v6) {
		c->bytes[6] = (uint8_t)(s->patch16 >> 8);
		c->bytes[7] = (uint8_t)s->patch16;
	}
}

static const struct filter_want want = {.v4 = true, .v6 = true, .port_lo = PORT_LO, .port_hi = PORT_HI};

static void raw_check(const struct sample *s, const struct craft *c, bool v6)
{
	struct filter f;
	size_t skip = v6 ? 40 : 0;
	bool icmp = s->kind == SAMPLE_ICMP || s->kind == SAMPLE_ERROR;
	if (v6)
		(icmp ? filter_raw_icmp6 : filter_raw_tcp6)(&f, &want);
	else
		(icmp ? filter_raw_icmp4 : filter_raw_tcp4)(&f, &want);
	if (run(&f, c->bytes + skip, c->len - skip, NULL) != s->raw)
		fail_msg("raw: %s, IPv%d", s->name, v6 ? 6 : 4);
	for (size_t len = 0; len < c->len - skip && !s->raw; len++)
		assert_false(run(&f, c->bytes + skip, len, NULL));
}

static bool packet_passes(const struct filter *f, const struct craft *c, const struct beside *b, size_t cut)
{
	uint8_t frame[14 + CRAFT_MAX] = {0};
	memcpy(frame + 14, c->bytes, c->len);
	return run(f, frame, 14 + c->len - cut, b);
}

static void packet_check(const struct sample *s, const struct craft *c, bool v6)
{
	struct filter f;
	const struct beside b = {.protocol = c->ethertype};
	filter_packet(&f, &want);
	if (packet_passes(&f, c, &b, 0) != s->packet)
		fail_msg("packet: %s, IPv%d", s->name, v6 ? 6 : 4);
	for (size_t cut = 1; cut <= c->len && !s->packet; cut++)
		assert_false(packet_passes(&f, c, &b, cut));
	const struct beside tagged = {.protocol = c->ethertype, .vlan = true, .vlan_tci = 0x2007};
	const struct beside priority = {.protocol = c->ethertype, .vlan = true, .vlan_tci = 0xe000};
	const struct beside loopback = {.protocol = c->ethertype, .loopback = true};
	assert_false(packet_passes(&f, c, &loopback, 0));
	assert_false(packet_passes(&f, c, &tagged, 0));
	assert_int_equal(packet_passes(&f, c, &priority, 0), s->packet);
	struct filter_want other = want; // the other family alone
	other.v4 = v6;
	other.v6 = !v6;
	filter_packet(&f, &other);
	assert_false(packet_passes(&f, c, &b, 0));
}

static void test_samples(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		for (int v6 = 0; v6 < 2; v6++) {
			struct craft c = {.len = 0};
			if (v6 && samples[i].patch16) // fragments of IPv6 have a header of their own
				continue;
			make(&samples[i], v6, &c);
			if (samples[i].kind != SAMPLE_UDP)
				raw_check(&samples[i], &c, v6);
			packet_check(&samples[i], &c, v6);
		}
	}
}

// IPv4 options move the transport header, outside and in what is quoted.
static void test_ip_options(void **state)
{
	(void)state;
	struct craft plain, c = {.len = 0};
	struct filter f;
	const struct sample *s = &samples[0];
	make(s, false, &plain);
	memcpy(c.bytes, plain.bytes, 20);
	memset(c.bytes + 20, 1, 8);
	c.bytes[0] = 0x47;
	memcpy(c.bytes + 28, plain.bytes + 20, plain.len - 20);
	c.len = plain.len + 8;
	c.ethertype = ETH_P_IP;
	filter_raw_tcp4(&f, &want);
	assert_true(run(&f, c.bytes, c.len, NULL));
	c.bytes[28 + 2] = 1;
	assert_false(run(&f, c.bytes, c.len, NULL));
	c.bytes[28] = PORT >> 8;
	c.bytes[29] = PORT & 255;
	struct craft error;
	const uint8_t unreachable[2] = {3, 1};
	craft_icmp_error(&error, &them4, &us4, unreachable, c.bytes, c.len);
	filter_raw_icmp4(&f, &want);
	assert_true(run(&f, error.bytes, error.len, NULL));
	error.bytes[28 + 28] = 1;
	assert_false(run(&f, error.bytes, error.len, NULL));
}

static void test_neighbours(void **state)
{
	(void)state;
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
	struct craft reply, request, advert;
	struct filter f;
	craft_arp(&reply, 2, mac, &them4, &us4);
	craft_arp(&request, 1, mac, &them4, &us4);
	craft_advert(&advert, &them6, &us6, 255, &them6, mac);
	const struct beside arp = {.protocol = ETH_P_ARP}, v6 = {.protocol = ETH_P_IPV6};
	struct filter_want w = want;
	for (int wanted = 0; wanted < 2; wanted++) {
		w.arp = w.ndp = wanted;
		filter_packet(&f, &w);
		assert_int_equal(packet_passes(&f, &reply, &arp, 0), wanted);
		assert_false(packet_passes(&f, &request, &arp, 0));
		assert_int_equal(packet_passes(&f, &advert, &v6, 0), wanted);
		filter_raw_icmp6(&f, &w);
		assert_int_equal(run(&f, advert.bytes + 40, advert.len - 40, NULL), wanted);
	}
	struct craft all;
	const struct addr all_nodes = {.hi = 0xff02000000000000, .lo = 1};
	craft_advert(&all, &them6, &all_nodes, 255, &them6, mac); // nobody asked
	filter_packet(&f, &w);
	assert_false(packet_passes(&f, &all, &v6, 0));
	w = (struct filter_want){.arp = true};
	filter_packet(&f, &w);
	assert_true(packet_passes(&f, &reply, &arp, 0));
}

// The kernel takes the programs and does the same: a datagram socket sees a packet from its first byte on.
static void test_kernel(void **state)
{
	(void)state;
	int pair[2];
	struct filter f;
	struct craft good, bad;
	char byte;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), 0);
	make(&samples[0], false, &good);
	make(&samples[3], false, &bad);
	filter_raw_tcp4(&f, &want);
	assert_int_equal(filter_attach(pair[1], &f), 0);
	// A frame that the filter drops is lost like one on a wire.
	assert_int_equal(send(pair[0], bad.bytes, bad.len, 0), bad.len);
	assert_int_equal(recv(pair[1], &byte, 1, 0), -1);
	assert_int_equal(send(pair[0], good.bytes, good.len, 0), good.len);
	assert_int_equal(recv(pair[1], &byte, 1, 0), 1);
	filter_packet(&f, &(struct filter_want){true, true, true, true, PORT_LO, PORT_HI});
	assert_true(f.len <= FILTER_MAX);
	assert_int_equal(filter_attach(pair[1], &f), 0);
	filter_raw_icmp4(&f, &want);
	assert_int_equal(filter_attach(pair[1], &f), 0);
	filter_raw_icmp6(&f, &want);
	assert_int_equal(filter_attach(pair[1], &f), 0);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_ip_options),
		cmocka_unit_test(test_neighbours),
		cmocka_unit_test(test_kernel),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
