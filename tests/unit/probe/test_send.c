// What we send: every technique and family built, parsed back and compared; ports and cookies of tries.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/endian.h"
#include "unit/probe/common.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	enum technique t;
	enum addr_family family;
	size_t len;
	enum packet_kind kind;
	uint8_t flags, icmp_type;
} sendable[] = {
	{TECHNIQUE_TCP_SYN, ADDR_V4, 44, PACKET_TCP, TCP_SYN, 0},
	{TECHNIQUE_TCP_SYN, ADDR_V6, 64, PACKET_TCP, TCP_SYN, 0},
	{TECHNIQUE_TCP_ACK, ADDR_V4, 40, PACKET_TCP, TCP_ACK, 0},
	{TECHNIQUE_TCP_ACK, ADDR_V6, 60, PACKET_TCP, TCP_ACK, 0},
	{TECHNIQUE_ICMP_ECHO, ADDR_V4, 32, PACKET_ICMP, 0, 8},
	{TECHNIQUE_ICMP_ECHO, ADDR_V6, 52, PACKET_ICMP, 0, 128},
	{TECHNIQUE_ICMP_TIMESTAMP, ADDR_V4, 40, PACKET_ICMP, 0, 13},
};

static void check_tcp(const struct sent *s, const struct packet_view *v, enum technique t, bool v6)
{
	const uint8_t mss[2][4] = {{2, 4, 0x05, 0xb4}, {2, 4, 0x05, 0xa0}};

	assert_int_equal(v->sport, s->desc.sport);
	assert_int_equal(v->dport, 443);
	assert_int_equal(v->window, 1024);
	assert_int_equal(v->payload_len, 0);
	if (t == TECHNIQUE_TCP_ACK) {
		assert_int_equal(v->ack, s->desc.cookie);
		assert_int_equal(v->options_len, 0);
		return;
	}
	assert_int_equal(v->seq, s->desc.cookie);
	assert_int_equal(v->ack, 0);
	assert_int_equal(v->options_len, 4);
	assert_memory_equal(v->options, mss[v6], 4);
}

static void check_icmp(const struct sent *s, const struct packet_view *v)
{
	assert_int_equal(v->icmp_code, 0);
	assert_int_equal(v->icmp_id, s->desc.sport);
	assert_int_equal(v->icmp_seq, s->desc.dport);
	assert_true(v->payload_len >= 4);
	assert_int_equal(load_be32(v->payload), s->desc.cookie);
}

static void test_round_trip(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(sendable); i++) {
		enum addr_family family = sendable[i].family;
		struct probe_env env;
		struct packet_view v;
		struct sent s;

		probe_test_env(&env);
		probe_test_send(&env, sendable[i].t, family, 3, &s);
		assert_int_equal(s.len, sendable[i].len);
		assert_int_equal(s.desc.sport, 40002);
		assert_int_equal(packet_parse(s.bytes, s.len, s.tmpl.ethertype, &v), 0);
		assert_int_equal(v.kind, sendable[i].kind);
		assert_int_equal(v.ttl, 64);
		assert_true(addr_equal(&v.src, probe_test_us(family)));
		assert_true(addr_equal(&v.dst, probe_test_them(family)));
		assert_int_equal(v.flags, sendable[i].flags);
		assert_int_equal(v.icmp_type, sendable[i].icmp_type);
		if (family == ADDR_V4)
			assert_int_equal(craft_sum(0, s.bytes, 20), 0xffff);
		assert_int_equal(craft_l4_sum(s.bytes, s.len), 0xffff);
		if (sendable[i].kind == PACKET_TCP)
			check_tcp(&s, &v, sendable[i].t, family == ADDR_V6);
		else
			check_icmp(&s, &v);
	}
}

static void test_arp(void **state)
{
	static const uint8_t request[46] = {
		0,   1,  8, 0, 6, 4, 0, 1, 2, 0, 0,   0xfe, 0xff, 2,
		198, 18, 0, 1, 0, 0, 0, 0, 0, 0, 198, 19,   2,    3,
	};
	struct probe_env env;
	struct sent s;

	(void)state;
	probe_test_env(&env);
	probe_test_send(&env, TECHNIQUE_ARP, ADDR_V4, 1, &s);
	assert_int_equal(s.len, 46);
	assert_int_equal(s.tmpl.ethertype, ETHERTYPE_ARP);
	assert_int_equal(s.tmpl.link, TEMPLATE_BROADCAST);
	assert_memory_equal(s.bytes, request, sizeof(request));
}

static void test_ndp(void **state)
{
	static const uint8_t solicit[] = {
		135, 0, 0, 0, 0, 0,    0,    0,    0x20, 1, 0x0d, 0xb8, 0, 0,    0,    0,
		0,   0, 0, 0, 0, 0xab, 0xcd, 0xef, 1,    1, 2,    0,    0, 0xfe, 0xff, 2,
	};
	static const uint8_t group[] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xab, 0xcd, 0xef};
	struct probe_env env;
	struct sent s;

	(void)state;
	probe_test_env(&env);
	env.ttl = 3; // does not apply: RFC 4861 wants 255
	probe_test_send(&env, TECHNIQUE_NDP, ADDR_V6, 1, &s);
	assert_int_equal(s.len, 72);
	assert_int_equal(s.bytes[7], 255);
	assert_memory_equal(s.bytes + 24, group, 16);
	assert_int_equal(craft_l4_sum(s.bytes, s.len), 0xffff);
	s.bytes[42] = s.bytes[43] = 0;
	assert_memory_equal(s.bytes + 40, solicit, sizeof(solicit));
}

static void test_env_options(void **state)
{
	struct probe_env env;
	struct packet_view v;
	struct sent s;

	(void)state;
	for (int family = ADDR_V4; family <= ADDR_V6; family++) {
		probe_test_env(&env);
		env.ttl = 17;
		env.no_tcp_options = true;
		probe_test_send(&env, TECHNIQUE_TCP_SYN, (enum addr_family)family, 1, &s);
		assert_int_equal(packet_parse(s.bytes, s.len, s.tmpl.ethertype, &v), 0);
		assert_int_equal(v.ttl, 17);
		assert_int_equal(v.options_len, 0);
		assert_int_equal(s.len, family == ADDR_V4 ? 40 : 60);
		assert_int_equal(craft_l4_sum(s.bytes, s.len), 0xffff);
	}
}

static void test_families(void **state)
{
	static const struct {
		enum technique t;
		enum addr_family family;
	} missing[] = {
		{TECHNIQUE_ICMP_TIMESTAMP, ADDR_V6}, {TECHNIQUE_ARP, ADDR_V6}, {TECHNIQUE_NDP, ADDR_V4}};
	struct frame_template t;
	struct probe_env env;

	(void)state;
	probe_test_env(&env);
	for (size_t i = 0; i < COUNT(missing); i++) {
		const struct probe_ops *ops = probe_get(missing[i].t);

		assert_false(missing[i].family == ADDR_V6 ? ops->v6 : ops->v4);
		assert_int_equal(ops->make_template(&env, missing[i].family, &t), ERR_UNSUPPORTED);
	}
}

static void test_registry(void **state)
{
	(void)state;
	for (int t = 0; t < TECHNIQUE_COUNT; t++) {
		const struct probe_ops *ops = probe_get((enum technique)t);

		assert_non_null(ops);
		assert_int_equal(ops->technique, t);
		assert_non_null(ops->name);
		assert_true(ops->v4 || ops->v6);
		assert_true((ops->make_template == NULL) == (t == TECHNIQUE_TCP_CONNECT));
		assert_int_equal(ops->silent_state, t <= TECHNIQUE_TCP_CONNECT ? STATE_FILTERED : STATE_DOWN);
		for (int u = 0; u < t; u++)
			assert_string_not_equal(ops->name, probe_get((enum technique)u)->name);
	}
	assert_null(probe_get(TECHNIQUE_COUNT));
	assert_null(probe_get((enum technique) - 1));
}

// Each try has a port and a number of its own; past the last port they repeat.
static void test_tries(void **state)
{
	struct probe_env env;
	struct sent s[12];

	(void)state;
	probe_test_env(&env);
	for (unsigned t = 0; t < COUNT(s); t++) {
		probe_test_send(&env, TECHNIQUE_TCP_SYN, ADDR_V4, t + 1, &s[t]);
		assert_int_equal(s[t].desc.sport, 40000 + (t < 10 ? t : 9));
		for (unsigned u = 0; u < t && t < 10; u++)
			assert_int_not_equal(s[t].desc.cookie, s[u].desc.cookie);
	}
	assert_int_equal(s[11].desc.cookie, s[9].desc.cookie);
	env.sport_fixed = true;
	for (unsigned t = 0; t < COUNT(s); t++) {
		probe_test_send(&env, TECHNIQUE_TCP_SYN, ADDR_V4, t + 1, &s[t]);
		assert_int_equal(s[t].desc.sport, 40000);
		assert_int_equal(s[t].desc.cookie, s[0].desc.cookie);
	}
}

// The cookie covers each of its inputs, and nothing else.
static void test_cookie(void **state)
{
	struct addr v4 = *probe_test_them(ADDR_V4), v6 = *probe_test_them(ADDR_V6), other = v4, scoped = v6;
	struct probe_env env, rekeyed;
	uint32_t c[9];

	(void)state;
	probe_test_env(&env);
	rekeyed = env;
	rekeyed.cookie_key.bytes[3] ^= 1;
	other.lo ^= 1;
	scoped.scope = 7;
	c[0] = probe_cookie(&env, 0, &v4, 40000, 443);
	c[1] = probe_cookie(&env, 2, &v4, 40000, 443);
	c[2] = probe_cookie(&env, 0, &other, 40000, 443);
	c[3] = probe_cookie(&env, 0, &v4, 40001, 443);
	c[4] = probe_cookie(&env, 0, &v4, 40000, 444);
	c[5] = probe_cookie(&rekeyed, 0, &v4, 40000, 443);
	c[6] = probe_cookie(&env, 0, &v6, 40000, 443);
	other = v6;
	other.hi ^= 1;
	c[7] = probe_cookie(&env, 0, &other, 40000, 443);
	c[8] = probe_cookie(&env, 0, &v4, 443, 40000);
	for (size_t i = 0; i < COUNT(c); i++)
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(c[i], c[j]);
	assert_int_equal(probe_cookie(&env, 0, &v4, 40000, 443), c[0]);
	assert_int_equal(probe_cookie(&env, 0, &scoped, 40000, 443), c[6]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_arp),
		cmocka_unit_test(test_ndp),        cmocka_unit_test(test_env_options),
		cmocka_unit_test(test_families),   cmocka_unit_test(test_registry),
		cmocka_unit_test(test_tries),      cmocka_unit_test(test_cookie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
