// ICMP errors and what they quote, and every packet cut short at every byte.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/packet/craft.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct addr us4 = {.lo = 0x0000ffffc6120001ULL}, them4 = {.lo = 0x0000ffffc6130203ULL};
static const struct addr router4 = {.lo = 0x0000ffffc6120064ULL};
static const struct addr us6 = {.hi = 0x20010db800000000ULL, .lo = 1};
static const struct addr them6 = {.hi = 0x20010db800000000ULL, .lo = 0xabcdef};
static const struct addr router6 = {.hi = 0x20010db800000000ULL, .lo = 0x64};
static const uint8_t mac[6] = {2, 1, 2, 3, 4, 5};

static const struct craft_tcp probe = {
	.sport = 40001,
	.dport = 443,
	.seq = 0x0a0b0c0d,
	.ack = 0x11121314,
	.flags = TCP_ACK,
	.options = "\x02\x04\x05\xb4",
	.options_len = 4,
};

static void check_tcp_quote(const struct packet_view *v, size_t l4, bool v6)
{
	const struct packet_quote *q = &v->quoted;

	assert_int_equal(v->kind, PACKET_ICMP_ERROR);
	if (l4 < 8) {
		assert_int_equal(q->protocol, 0);
		assert_int_equal(q->sport, 0);
		assert_int_equal(q->seq, 0);
		return;
	}
	assert_true(addr_equal(&q->src, v6 ? &us6 : &us4));
	assert_true(addr_equal(&q->dst, v6 ? &them6 : &them4));
	assert_int_equal(q->protocol, 6);
	assert_int_equal(q->sport, 40001);
	assert_int_equal(q->dport, 443);
	assert_int_equal(q->seq, 0x0a0b0c0d);
	assert_int_equal(q->ack_known, l4 >= 12);
	assert_int_equal(q->ack, l4 >= 12 ? 0x11121314 : 0);
}

// Quotes of every length that a router may keep.
static void test_tcp_quotes(void **state)
{
	static const uint8_t unreach[2][2] = {{3, 3}, {1, 4}};

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		size_t header = v6 ? 40 : 20;
		struct craft sent, error;
		struct packet_view v;

		craft_tcp(&sent, v6 ? &us6 : &us4, v6 ? &them6 : &them4, &probe);
		for (size_t n = 0; n <= sent.len; n++) {
			craft_icmp_error(&error, v6 ? &router6 : &router4, v6 ? &us6 : &us4, unreach[v6],
					 sent.bytes, n);
			assert_int_equal(craft_parse_exact(error.bytes, error.len, error.ethertype, &v), 0);
			assert_int_equal(v.icmp_type, unreach[v6][0]);
			assert_int_equal(v.icmp_code, unreach[v6][1]);
			check_tcp_quote(&v, n < header ? 0 : n - header, v6);
		}
	}
}

static void test_echo_quotes(void **state)
{
	static const uint8_t echo4[2] = {8, 0}, echo6[2] = {128, 0}, exceeded4[2] = {11, 0},
			     exceeded6[2] = {3, 0};

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		size_t header = v6 ? 40 : 20;
		struct craft sent, error;
		struct packet_view v;

		craft_icmp(&sent, v6 ? &us6 : &us4, v6 ? &them6 : &them4,
			   &(struct craft_icmp){v6 ? echo6 : echo4, 0x9c41, 0x7788}, "\xca\xfe\xba\xbe", 4);
		for (size_t n = header + 8; n <= sent.len; n++) {
			craft_icmp_error(&error, v6 ? &router6 : &router4, v6 ? &us6 : &us4,
					 v6 ? exceeded6 : exceeded4, sent.bytes, n);
			assert_int_equal(craft_parse_exact(error.bytes, error.len, error.ethertype, &v), 0);
			assert_int_equal(v.quoted.protocol, v6 ? 58 : 1);
			assert_int_equal(v.quoted.icmp_type, v6 ? 128 : 8);
			assert_int_equal(v.quoted.icmp_id, 0x9c41);
			assert_int_equal(v.quoted.icmp_seq, 0x7788);
			assert_int_equal(v.quoted.icmp_cookie_known, n == sent.len);
			assert_int_equal(v.quoted.icmp_cookie, n == sent.len ? 0xcafebabe : 0);
		}
	}
}

// What a quote may look like on the way: changed by routers, with options, or hostile.
static void test_odd_quotes(void **state)
{
	static const struct {
		const char *what;
		bool v6;
		uint8_t at, value;
		uint8_t protocol;
	} cases[] = {
		{"untouched", false, 0, 0x45, 6},
		{"length field changed", false, 2, 0x99, 6},
		{"length field 0", false, 3, 0, 6},
		{"no IPv4", false, 0, 0x55, 0},
		{"short header", false, 0, 0x41, 0},
		{"later fragment", false, 7, 9, 0},
		{"header longer than the quote", false, 0, 0x4f, 0},
		{"UDP", false, 9, 17, 17},
		{"untouched", true, 0, 0x60, 6},
		{"length field 0", true, 5, 0, 6},
		{"no IPv6", true, 0, 0x45, 0},
		{"extension header that ends the quote", true, 6, 60, 0},
		{"UDP", true, 6, 17, 17},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		static const uint8_t unreach[2][2] = {{3, 3}, {1, 4}};
		bool v6 = cases[i].v6;
		struct craft sent, error;
		struct packet_view v;

		craft_tcp(&sent, v6 ? &us6 : &us4, v6 ? &them6 : &them4, &probe);
		sent.bytes[cases[i].at] = cases[i].value;
		craft_icmp_error(&error, v6 ? &router6 : &router4, v6 ? &us6 : &us4, unreach[v6], sent.bytes,
				 sent.len);
		assert_int_equal(craft_parse_exact(error.bytes, error.len, error.ethertype, &v), 0);
		if (v.kind != PACKET_ICMP_ERROR || v.quoted.protocol != cases[i].protocol)
			fail_msg("%s: kind %d, protocol %d", cases[i].what, (int)v.kind, v.quoted.protocol);
	}
}

static void test_quoted_extensions(void **state)
{
	static const uint8_t unreach[2] = {1, 3};
	uint8_t l4[16 + 20] = {
		44, 0, 1, 4, [8] = 6, [15] = 1, [16] = 0x9c, [17] = 0x41, [18] = 1, [19] = 0xbb};
	struct craft sent, error;
	struct packet_view v;

	(void)state;
	craft_ip(&sent, &us6, &them6, &(struct craft_ip){64, 60}, l4,
		 sizeof(l4)); // destination options, then a first fragment
	craft_icmp_error(&error, &router6, &us6, unreach, sent.bytes, sent.len);
	assert_int_equal(craft_parse_exact(error.bytes, error.len, error.ethertype, &v), 0);
	assert_int_equal(v.quoted.protocol, 6);
	assert_int_equal(v.quoted.sport, 40001);
	assert_int_equal(v.quoted.dport, 443);
}

static void test_kinds(void **state)
{
	static const struct {
		bool v6;
		uint8_t type_code[2];
		enum packet_kind kind;
	} cases[] = {
		{false, {3, 1}, PACKET_ICMP_ERROR},  {false, {11, 0}, PACKET_ICMP_ERROR},
		{false, {12, 0}, PACKET_ICMP_ERROR}, {false, {0, 0}, PACKET_ICMP},
		{false, {5, 0}, PACKET_ICMP},        {false, {14, 0}, PACKET_ICMP},
		{false, {136, 0}, PACKET_ICMP},      {true, {1, 0}, PACKET_ICMP_ERROR},
		{true, {3, 0}, PACKET_ICMP_ERROR},   {true, {4, 1}, PACKET_ICMP_ERROR},
		{true, {127, 0}, PACKET_ICMP_ERROR}, {true, {128, 0}, PACKET_ICMP},
		{true, {129, 0}, PACKET_ICMP},       {true, {135, 0}, PACKET_ICMP},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct craft c;
		struct packet_view v;

		craft_icmp(&c, cases[i].v6 ? &them6 : &them4, cases[i].v6 ? &us6 : &us4,
			   &(struct craft_icmp){cases[i].type_code, 1, 2}, NULL, 0);
		assert_int_equal(craft_parse_exact(c.bytes, c.len, c.ethertype, &v), 0);
		assert_int_equal(v.kind, cases[i].kind);
	}
}

static size_t make_samples(struct craft *c)
{
	static const uint8_t unreach4[2] = {3, 3}, unreach6[2] = {1, 4}, reply[2] = {0, 0};
	static const uint8_t udp[] = {0, 53, 0x9c, 0x40, 0, 12, 0, 0, 'd', 'a', 't', 'a'};
	static const uint8_t extended[] = {43, 0, 1, 4, 0, 0, 0, 0, 44, 0, 0,    0,    0, 0,
					   0,  0, 6, 0, 0, 1, 0, 0, 0,  1, 0x9c, 0x41, 1, 0xbb};
	size_t n = 0;
	uint8_t long_header[60];

	craft_tcp(&c[n++], &them4, &us4, &probe);
	craft_tcp(&c[n++], &them6, &us6, &probe);
	craft_ip(&c[n++], &them4, &us4, &(struct craft_ip){60, 17}, udp, sizeof(udp));
	craft_icmp(&c[n++], &them4, &us4, &(struct craft_icmp){reply, 7, 8}, "\1\2\3\4", 4);
	craft_icmp_error(&c[n++], &router4, &us4, unreach4, c[0].bytes, c[0].len);
	craft_icmp_error(&c[n++], &router6, &us6, unreach6, c[1].bytes, c[1].len);
	craft_icmp_error(&c[n++], &router4, &us4, unreach4, c[3].bytes, c[3].len);
	craft_ip(&c[n++], &them6, &us6, &(struct craft_ip){60, 0}, extended, sizeof(extended));
	craft_icmp_error(&c[n], &router6, &us6, unreach6, c[n - 1].bytes, c[n - 1].len);
	n++;
	craft_arp(&c[n++], 2, mac, &them4, &us4);
	craft_advert(&c[n++], &them6, &us6, 255, &them6, mac);
	memset(long_header, 1, sizeof(long_header));
	craft_ip(&c[n], &them4, &us4, &(struct craft_ip){60, 6}, long_header, sizeof(long_header));
	c[n++].bytes[0] = 0x4f;
	return n;
}

static void test_cut_everywhere(void **state)
{
	struct craft samples[16];
	size_t n = make_samples(samples), parsed = 0, refused = 0;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		for (size_t len = 0; len <= samples[i].len; len++) {
			struct packet_view v;
			int rc = craft_parse_exact(samples[i].bytes, len, samples[i].ethertype, &v);

			assert_true(rc == 0 || rc == ERR_TRUNCATED || rc == ERR_SYNTAX);
			if (len == 0)
				assert_int_equal(rc, ERR_TRUNCATED);
			parsed += rc == 0;
			refused += rc != 0;
		}
	}
	assert_true(parsed > n && refused > n * 20);
}

// Every byte of every sample replaced: the same bounds hold whatever a length field says.
static void test_changed_everywhere(void **state)
{
	static const uint8_t values[] = {0, 1, 0x0f, 0x40, 0x45, 0x60, 0x7f, 0x80, 0xf0, 0xff};
	struct craft samples[16];
	size_t n = make_samples(samples);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		for (size_t at = 0; at < samples[i].len * COUNT(values); at++) {
			struct craft c = samples[i];
			struct packet_view v;

			c.bytes[at / COUNT(values)] = values[at % COUNT(values)];

			int rc = craft_parse_exact(c.bytes, c.len, c.ethertype, &v);

			assert_true(rc == 0 || rc == ERR_TRUNCATED || rc == ERR_SYNTAX);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp_quotes),
		cmocka_unit_test(test_echo_quotes),
		cmocka_unit_test(test_odd_quotes),
		cmocka_unit_test(test_quoted_extensions),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_cut_everywhere),
		cmocka_unit_test(test_changed_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
