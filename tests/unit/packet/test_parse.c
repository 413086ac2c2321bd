#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/packet/craft.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct addr us4 = {.lo = 0x0000ffffc6120001ULL}, them4 = {.lo = 0x0000ffffc6130203ULL};
static const struct addr us6 = {.hi = 0x20010db800000000ULL, .lo = 1};
static const struct addr them6 = {.hi = 0x20010db800000000ULL, .lo = 0xabcdef};
static const uint8_t mac[6] = {2, 1, 2, 3, 4, 5};

static const struct craft_tcp syn_ack = {
	.sport = 443,
	.dport = 40001,
	.seq = 0xdeadbeef,
	.ack = 0x01020305,
	.flags = TCP_SYN | TCP_ACK,
	.window = 65160,
	.options = "\x02\x04\x05\xb4\x01\x01\x04\x02",
	.options_len = 8,
	.payload = "hello",
};

static void test_tcp(void **state)
{
	const struct addr *pairs[2][2] = {{&them4, &us4}, {&them6, &us6}};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct craft c;
		struct packet_view v;

		craft_tcp(&c, pairs[i][0], pairs[i][1], &syn_ack);
		c.len += 3; // Ethernet padding is no payload
		assert_int_equal(packet_parse(c.bytes, c.len, c.ethertype, &v), 0);
		assert_int_equal(v.kind, PACKET_TCP);
		assert_true(addr_equal(&v.src, pairs[i][0]) && addr_equal(&v.dst, pairs[i][1]));
		assert_int_equal(v.ttl, 55);
		assert_int_equal(v.protocol, 6);
		assert_int_equal(v.sport, 443);
		assert_int_equal(v.dport, 40001);
		assert_int_equal(v.seq, 0xdeadbeef);
		assert_int_equal(v.ack, 0x01020305);
		assert_int_equal(v.flags, TCP_SYN | TCP_ACK);
		assert_int_equal(v.window, 65160);
		assert_int_equal(v.options_len, 8);
		assert_memory_equal(v.options, syn_ack.options, 8);
		assert_int_equal(v.payload_len, 5);
		assert_memory_equal(v.payload, "hello", 5);
	}
}

// A data offset that points behind the packet hands over what is there.
static void test_tcp_offset(void **state)
{
	static const struct {
		uint8_t offset;
		int rc;
		uint8_t options_len;
		uint16_t payload_len;
	} cases[] = {
		{0, ERR_SYNTAX, 0, 0}, {4, ERR_SYNTAX, 0, 0}, {5, 0, 0, 13},  {7, 0, 8, 5},
		{8, 0, 12, 1},         {9, 0, 13, 0},         {15, 0, 13, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct craft c;
		struct packet_view v;

		craft_tcp(&c, &them4, &us4, &syn_ack);
		c.bytes[20 + 12] = (uint8_t)(cases[i].offset << 4);
		assert_int_equal(craft_parse_exact(c.bytes, c.len, c.ethertype, &v), cases[i].rc);
		if (cases[i].rc)
			continue;
		assert_int_equal(v.options_len, cases[i].options_len);
		assert_int_equal(v.payload_len, cases[i].payload_len);
	}
}

static void test_udp(void **state)
{
	static const uint8_t udp[] = {0, 53, 0x9c, 0x40, 0, 12, 0, 0, 'd', 'a', 't', 'a', 'x'};
	static const struct {
		uint8_t said;
		int rc;
		uint16_t payload_len;
	} cases[] = {{12, 0, 4}, {13, 0, 5}, {8, 0, 0}, {7, ERR_SYNTAX, 0}, {200, 0, 5}};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct craft c;
		struct packet_view v;

		craft_ip(&c, &them6, &us6, &(struct craft_ip){60, 17}, udp, sizeof(udp));
		c.bytes[40 + 5] = cases[i].said;
		assert_int_equal(packet_parse(c.bytes, c.len, c.ethertype, &v), cases[i].rc);
		if (cases[i].rc)
			continue;
		assert_int_equal(v.kind, PACKET_UDP);
		assert_int_equal(v.sport, 53);
		assert_int_equal(v.dport, 40000);
		assert_int_equal(v.payload_len, cases[i].payload_len);
		assert_memory_equal(v.payload, "datax", cases[i].payload_len);
	}
}

static void test_ipv4_options(void **state)
{
	static const uint8_t echo[] = {0, 0, 0, 0, 0x12, 0x34, 0x56, 0x78, 1, 2, 3, 4};
	uint8_t with[40 + sizeof(echo)];
	struct craft c;
	struct packet_view v;

	(void)state;
	memset(with, 1, 40);
	memcpy(with + 40, echo, sizeof(echo));
	craft_ip(&c, &them4, &us4, &(struct craft_ip){60, 1}, with, sizeof(with));
	c.bytes[0] = 0x4f;
	assert_int_equal(packet_parse(c.bytes, c.len, c.ethertype, &v), 0);
	assert_int_equal(v.kind, PACKET_ICMP);
	assert_int_equal(v.icmp_type, 0);
	assert_int_equal(v.icmp_id, 0x1234);
	assert_int_equal(v.icmp_seq, 0x5678);
	assert_int_equal(v.payload_len, 4);
	assert_memory_equal(v.payload, "\1\2\3\4", 4);
}

// One byte changed in a good packet.
static void test_broken(void **state)
{
	static const struct {
		const char *what;
		bool v6;
		uint8_t at, value;
		int rc;
		enum packet_kind kind;
	} cases[] = {
		{"untouched", false, 0, 0x45, 0, PACKET_TCP},
		{"version 6 in an IPv4 frame", false, 0, 0x65, ERR_SYNTAX, 0},
		{"IPv4 header of 16 bytes", false, 0, 0x44, ERR_SYNTAX, 0},
		{"total length below the header", false, 3, 19, ERR_SYNTAX, 0},
		{"total length of the header alone", false, 3, 20, ERR_TRUNCATED, 0},
		{"total length beyond the frame", false, 2, 0xff, 0, PACKET_TCP},
		{"first fragment", false, 6, 0x20, 0, PACKET_TCP},
		{"second fragment", false, 7, 1, ERR_SYNTAX, 0},
		{"far fragment", false, 6, 0x1f, ERR_SYNTAX, 0},
		{"SCTP", false, 9, 132, 0, PACKET_OTHER},
		{"ICMPv6 in IPv4", false, 9, 58, 0, PACKET_OTHER},
		{"untouched", true, 0, 0x60, 0, PACKET_TCP},
		{"version 4 in an IPv6 frame", true, 0, 0x45, ERR_SYNTAX, 0},
		{"payload length 0", true, 5, 0, ERR_TRUNCATED, 0},
		{"payload length 19", true, 5, 19, ERR_TRUNCATED, 0},
		{"payload length beyond the frame", true, 4, 0xff, 0, PACKET_TCP},
		{"no next header", true, 6, 59, 0, PACKET_OTHER},
		{"ICMPv4 in IPv6", true, 6, 1, 0, PACKET_OTHER},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct craft c;
		struct packet_view v;

		craft_tcp(&c, cases[i].v6 ? &them6 : &them4, cases[i].v6 ? &us6 : &us4, &syn_ack);
		c.bytes[cases[i].at] = cases[i].value;

		int rc = craft_parse_exact(c.bytes, c.len, c.ethertype, &v);

		if (rc != cases[i].rc || (!rc && v.kind != cases[i].kind))
			fail_msg("%s: %d, kind %d", cases[i].what, rc, (int)v.kind);
	}
}

static void test_unknown_ethertype(void **state)
{
	struct craft c;
	struct packet_view v;

	(void)state;
	craft_tcp(&c, &them4, &us4, &syn_ack);
	assert_int_equal(packet_parse(c.bytes, c.len, 0x8100, &v), ERR_SYNTAX);
}

// A mapped address in an IPv6 header would pass for an IPv4 target.
static void test_mapped_refused(void **state)
{
	static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 198, [13] = 18, [15] = 1};

	(void)state;
	for (size_t at = 8; at <= 24; at += 16) {
		struct craft c;
		struct packet_view v;

		craft_tcp(&c, &them6, &us6, &syn_ack);
		memcpy(c.bytes + at, mapped, 16);
		assert_int_equal(packet_parse(c.bytes, c.len, c.ethertype, &v), ERR_SYNTAX);
	}
}

// `n` extension headers of one kind in front of a UDP header.
static void craft_extensions(struct craft *c, uint8_t kind, size_t n, size_t size, const uint8_t *head)
{
	uint8_t b[300] = {0};
	size_t at = 0;

	for (size_t i = 0; i < n; i++, at += size) {
		memcpy(b + at, head, 8);
		b[at] = i + 1 == n ? 17 : kind;
	}
	b[at + 5] = 8;
	craft_ip(c, &them6, &us6, &(struct craft_ip){60, n ? kind : 17}, b, at + 8);
}

static void test_extensions(void **state)
{
	static const struct {
		const char *what;
		uint8_t kind;
		size_t n, size;
		uint8_t head[8];
		int rc;
		enum packet_kind kind_out;
	} cases[] = {
		{"none", 0, 0, 8, {0}, 0, PACKET_UDP},
		{"hop-by-hop", 0, 1, 8, {0, 0}, 0, PACKET_UDP},
		{"routing of 24 bytes", 43, 1, 24, {0, 2}, 0, PACKET_UDP},
		{"destination options, 8 of them", 60, 8, 8, {0, 0}, 0, PACKET_UDP},
		{"9 of them", 60, 9, 8, {0, 0}, ERR_SYNTAX, 0},
		{"authentication, 12 bytes", 51, 1, 12, {0, 1}, 0, PACKET_UDP},
		{"mobility", 135, 1, 8, {0, 0}, 0, PACKET_UDP},
		{"first fragment", 44, 1, 8, {0, 0, 0, 1}, 0, PACKET_UDP},
		{"fragment length byte is reserved", 44, 1, 8, {0, 9, 0, 1}, 0, PACKET_UDP},
		{"second fragment", 44, 1, 8, {0, 0, 0, 8}, ERR_SYNTAX, 0},
		{"far fragment", 44, 1, 8, {0, 0, 0x80, 0}, ERR_SYNTAX, 0},
		{"longer than the packet", 60, 1, 8, {0, 255}, ERR_TRUNCATED, 0},
		{"encrypted", 50, 1, 8, {0}, 0, PACKET_OTHER},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct craft c;
		struct packet_view v;

		craft_extensions(&c, cases[i].kind, cases[i].n, cases[i].size, cases[i].head);

		int rc = craft_parse_exact(c.bytes, c.len, c.ethertype, &v);

		if (rc != cases[i].rc || (!rc && v.kind != cases[i].kind_out))
			fail_msg("%s: %d, kind %d", cases[i].what, rc, (int)v.kind);
	}
}

static void test_arp(void **state)
{
	struct craft c;
	struct packet_view v;
	static const struct {
		uint8_t at, value;
		int rc;
		enum packet_kind kind;
	} cases[] = {
		{7, 2, 0, PACKET_ARP_REPLY}, {7, 1, 0, PACKET_OTHER}, {1, 6, ERR_SYNTAX, 0},
		{3, 1, ERR_SYNTAX, 0},       {4, 8, ERR_SYNTAX, 0},   {5, 16, ERR_SYNTAX, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		craft_arp(&c, 2, mac, &them4, &us4);
		c.bytes[cases[i].at] = cases[i].value;
		assert_int_equal(craft_parse_exact(c.bytes, c.len, c.ethertype, &v), cases[i].rc);
		if (cases[i].rc)
			continue;
		assert_int_equal(v.kind, cases[i].kind);
		assert_int_equal(v.neighbour_mac_known, cases[i].kind == PACKET_ARP_REPLY);
	}
	craft_arp(&c, 2, mac, &them4, &us4);
	assert_int_equal(craft_parse_exact(c.bytes, 28, c.ethertype, &v), 0);
	assert_true(addr_equal(&v.neighbour, &them4) && addr_equal(&v.dst, &us4));
	assert_memory_equal(v.neighbour_mac, mac, 6);
}

static void test_advert(void **state)
{
	static const struct addr group = {.hi = 0xff02000000000000ULL, .lo = 1};
	static const struct {
		const char *what;
		const struct addr *target;
		uint8_t hops;
		bool with_mac;
		uint8_t at, value; // at 0: nothing is changed
		int rc;
		bool mac_known;
	} cases[] = {
		{"good", &them6, 255, true, 0, 0, 0, true},
		{"without an option", &them6, 255, false, 0, 0, 0, false},
		{"through a router", &them6, 254, true, 0, 0, ERR_SYNTAX, false},
		{"code 1", &them6, 255, true, 41, 1, ERR_SYNTAX, false},
		{"multicast target", &group, 255, true, 0, 0, ERR_SYNTAX, false},
		{"option of length 0", &them6, 255, true, 65, 0, ERR_SYNTAX, false},
		{"option beyond the end", &them6, 255, true, 65, 2, ERR_TRUNCATED, false},
		{"another option", &them6, 255, true, 64, 14, 0, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct craft c;
		struct packet_view v;

		craft_advert(&c, &them6, &us6, cases[i].hops, cases[i].target,
			     cases[i].with_mac ? mac : NULL);
		if (cases[i].at)
			c.bytes[cases[i].at] = cases[i].value;

		int rc = craft_parse_exact(c.bytes, c.len, c.ethertype, &v);

		if (rc != cases[i].rc)
			fail_msg("%s: %d", cases[i].what, rc);
		if (rc)
			continue;
		assert_int_equal(v.kind, PACKET_NEIGHBOUR_ADVERT);
		assert_true(addr_equal(&v.neighbour, &them6));
		assert_int_equal(v.neighbour_mac_known, cases[i].mac_known);
		if (cases[i].mac_known)
			assert_memory_equal(v.neighbour_mac, mac, 6);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_tcp_offset),
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_ipv4_options),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_unknown_ethertype),
		cmocka_unit_test(test_mapped_refused),
		cmocka_unit_test(test_extensions),
		cmocka_unit_test(test_arp),
		cmocka_unit_test(test_advert),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
