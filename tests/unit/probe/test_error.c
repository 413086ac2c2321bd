// ICMP errors that quote our probes.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/probe/common.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	enum addr_family family;
	uint8_t type_code[2];
	bool says_something;
	uint8_t reason;
	bool host_up; // when the target itself sends it
} errors[] = {
	{ADDR_V4, {3, 0}, true, REASON_NET_UNREACH, false},
	{ADDR_V4, {3, 1}, true, REASON_HOST_UNREACH, false},
	{ADDR_V4, {3, 2}, true, REASON_PROTO_UNREACH, true},
	{ADDR_V4, {3, 3}, true, REASON_PORT_UNREACH, true},
	{ADDR_V4, {3, 4}, true, REASON_DEST_UNREACH, false},
	{ADDR_V4, {3, 5}, true, REASON_DEST_UNREACH, false},
	{ADDR_V4, {3, 9}, true, REASON_NET_PROHIBITED, false},
	{ADDR_V4, {3, 10}, true, REASON_HOST_PROHIBITED, false},
	{ADDR_V4, {3, 12}, true, REASON_DEST_UNREACH, false},
	{ADDR_V4, {3, 13}, true, REASON_ADMIN_PROHIBITED, false},
	{ADDR_V4, {3, 14}, true, REASON_DEST_UNREACH, false},
	{ADDR_V4, {3, 255}, true, REASON_DEST_UNREACH, false},
	{ADDR_V4, {11, 0}, true, REASON_TIME_EXCEEDED, false},
	{ADDR_V4, {11, 1}, true, REASON_TIME_EXCEEDED, false},
	{ADDR_V4, {12, 0}, false, 0, false},
	{ADDR_V6, {1, 0}, true, REASON_NO_ROUTE, false},
	{ADDR_V6, {1, 1}, true, REASON_ADMIN_PROHIBITED, false},
	{ADDR_V6, {1, 2}, true, REASON_BEYOND_SCOPE, false},
	{ADDR_V6, {1, 3}, true, REASON_HOST_UNREACH, false},
	{ADDR_V6, {1, 4}, true, REASON_PORT_UNREACH, true},
	{ADDR_V6, {1, 5}, true, REASON_ADMIN_PROHIBITED, false},
	{ADDR_V6, {1, 6}, true, REASON_REJECT_ROUTE, false},
	{ADDR_V6, {1, 7}, true, REASON_DEST_UNREACH, false},
	{ADDR_V6, {1, 255}, true, REASON_DEST_UNREACH, false},
	{ADDR_V6, {3, 0}, true, REASON_TIME_EXCEEDED, false},
	{ADDR_V6, {4, 0}, true, REASON_PARAM_PROBLEM, false},
	{ADDR_V6, {4, 1}, true, REASON_PARAM_PROBLEM, true},
	{ADDR_V6, {2, 0}, false, 0, false},
	{ADDR_V6, {100, 0}, false, 0, false},
};

static const enum technique quoted[] = {
	TECHNIQUE_TCP_SYN,
	TECHNIQUE_TCP_ACK,
	TECHNIQUE_ICMP_ECHO,
	TECHNIQUE_ICMP_TIMESTAMP,
};

// An ICMP error: who says what, and how much of the probe it quotes.
struct told {
	const struct addr *from;
	const uint8_t *type_code; // two bytes
	size_t len;
};

static enum probe_verdict classify_quote(const struct probe_env *env, uint32_t mask, const struct told *e,
					 const struct sent *s, struct probe_answer *a)
{
	enum addr_family family = addr_is_v4(e->from) ? ADDR_V4 : ADDR_V6;
	struct packet_view v;
	struct craft c;

	memset(a, 0xee, sizeof(*a));
	craft_icmp_error(&c, e->from, probe_test_us(family), e->type_code, s->bytes, e->len);
	assert_int_equal(packet_parse(c.bytes, c.len, c.ethertype, &v), 0);
	return probe_classify(env, mask, &v, a);
}

static uint8_t expected_state(enum technique t, bool from_target, size_t error)
{
	if (t == TECHNIQUE_TCP_SYN)
		return STATE_FILTERED;
	return from_target && errors[error].host_up ? STATE_UP : STATE_DOWN;
}

static void check_answer(const struct probe_answer *a, enum technique t, bool from_target, size_t error)
{
	enum addr_family family = errors[error].family;

	assert_int_equal(a->technique, t);
	assert_int_equal(a->reason, errors[error].reason);
	assert_int_equal(a->state, expected_state(t, from_target, error));
	assert_true(addr_equal(&a->target, probe_test_them(family)));
	assert_int_equal(a->port, probe_get(t)->has_port ? 443 : 0);
	assert_int_equal(a->try_no, 4);
	assert_int_equal(a->from_other, !from_target);
	if (!from_target)
		assert_true(addr_equal(&a->from, probe_test_router(family)));
	assert_int_equal(a->options_len, 0);
}

static void check_error(enum technique t, bool from_target, size_t error)
{
	enum addr_family family = errors[error].family;
	const struct addr *from = from_target ? probe_test_them(family) : probe_test_router(family);
	struct probe_answer a;
	struct probe_env env;
	struct sent s;

	probe_test_env(&env);
	probe_test_send(&env, t, family, 4, &s);

	enum probe_verdict verdict = classify_quote(
		&env, ALL_TECHNIQUES, &(struct told){from, errors[error].type_code, s.len}, &s, &a);

	if (verdict != (errors[error].says_something ? PROBE_ANSWER : PROBE_NOT_OURS))
		fail_msg("%s: type %d code %d: %d", probe_get(t)->name, errors[error].type_code[0],
			 errors[error].type_code[1], (int)verdict);
	if (verdict == PROBE_ANSWER)
		check_answer(&a, t, from_target, error);
}

static void test_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(errors); i++) {
		for (size_t j = 0; j < COUNT(quoted); j++) {
			const struct probe_ops *ops = probe_get(quoted[j]);

			if (errors[i].family == ADDR_V6 && !ops->v6)
				continue;
			check_error(quoted[j], false, i);
			check_error(quoted[j], true, i);
		}
	}
}

// Quotes with one byte of the probe changed (`at` counts from the network header). Both families, by offset
// of layer 4.
static void test_changed(void **state)
{
	static const struct {
		const char *what;
		enum technique t;
		int at; // of layer 4; negative: from its start back into the header
		enum probe_verdict verdict;
	} cases[] = {
		{"source port far off", TECHNIQUE_TCP_SYN, 0, PROBE_NOT_OURS},
		{"destination port", TECHNIQUE_TCP_SYN, 3, PROBE_REJECTED},
		{"number", TECHNIQUE_TCP_SYN, 7, PROBE_REJECTED},
		{"number", TECHNIQUE_TCP_SYN, 4, PROBE_REJECTED},
		{"destination address", TECHNIQUE_TCP_SYN, -1, PROBE_REJECTED},
		{"window", TECHNIQUE_TCP_SYN, 14, PROBE_ANSWER},
		{"source port far off", TECHNIQUE_TCP_ACK, 0, PROBE_NOT_OURS},
		{"acknowledgement number", TECHNIQUE_TCP_ACK, 8, PROBE_REJECTED},
		{"destination port", TECHNIQUE_TCP_ACK, 2, PROBE_REJECTED},
		{"type", TECHNIQUE_ICMP_ECHO, 0, PROBE_NOT_OURS},
		{"identifier far off", TECHNIQUE_ICMP_ECHO, 4, PROBE_NOT_OURS},
		{"sequence number", TECHNIQUE_ICMP_ECHO, 6, PROBE_REJECTED},
		{"payload", TECHNIQUE_ICMP_ECHO, 11, PROBE_REJECTED},
		{"destination address", TECHNIQUE_ICMP_ECHO, -1, PROBE_REJECTED},
	};
	static const uint8_t unreach[2][2] = {{3, 13}, {1, 1}};

	(void)state;
	for (size_t i = 0; i < COUNT(cases) * 2; i++) {
		enum addr_family family = i & 1 ? ADDR_V6 : ADDR_V4;
		enum technique t = cases[i / 2].t;
		struct probe_answer a;
		struct probe_env env;
		struct sent s;

		probe_test_env(&env);
		probe_test_send(&env, t, family, 4, &s);
		s.bytes[s.tmpl.l4_off + cases[i / 2].at] ^= 0x40;

		enum probe_verdict verdict = classify_quote(
			&env, 1U << t, &(struct told){probe_test_router(family), unreach[family], s.len}, &s,
			&a);

		if (verdict != cases[i / 2].verdict)
			fail_msg("%s of %s: %d", cases[i / 2].what, probe_get(t)->name, (int)verdict);
	}
}

// How much of the probe must be quoted: layer 4's first 8 bytes, for an ACK probe 12.
static void test_cut(void **state)
{
	static const uint8_t unreach[2][2] = {{3, 1}, {1, 3}};

	(void)state;
	for (size_t j = 0; j < COUNT(quoted) * 2; j++) {
		enum addr_family family = j & 1 ? ADDR_V6 : ADDR_V4;
		enum technique t = quoted[j / 2];
		struct probe_env env;
		struct sent s;

		if (family == ADDR_V6 && !probe_get(t)->v6)
			continue;
		probe_test_env(&env);
		probe_test_send(&env, t, family, 1, &s);
		for (size_t len = 0; len <= s.len; len++) {
			size_t l4 = len > s.tmpl.l4_off ? len - s.tmpl.l4_off : 0;
			enum probe_verdict want = l4 < 8 ? PROBE_NOT_OURS : PROBE_ANSWER;
			struct probe_answer a;

			if (t == TECHNIQUE_TCP_ACK && l4 >= 8 && l4 < 12)
				want = PROBE_REJECTED;
			assert_int_equal(classify_quote(&env, ALL_TECHNIQUES,
							&(struct told){probe_test_router(family),
								       unreach[family], len},
							&s, &a),
					 want);
		}
	}
}

// An IPv4 error cannot speak of an IPv6 probe's types, nor the other way round.
static void test_wrong_protocol(void **state)
{
	static const uint8_t unreach[2] = {3, 3};
	struct probe_answer a;
	struct probe_env env;
	struct sent s;

	(void)state;
	probe_test_env(&env);
	probe_test_send(&env, TECHNIQUE_ICMP_ECHO, ADDR_V4, 1, &s);
	s.bytes[9] = 58;
	assert_int_equal(classify_quote(&env, ALL_TECHNIQUES,
					&(struct told){probe_test_router(ADDR_V4), unreach, s.len}, &s, &a),
			 PROBE_NOT_OURS);
	probe_test_send(&env, TECHNIQUE_TCP_SYN, ADDR_V4, 1, &s);
	s.bytes[9] = 17;
	assert_int_equal(classify_quote(&env, ALL_TECHNIQUES,
					&(struct told){probe_test_router(ADDR_V4), unreach, s.len}, &s, &a),
			 PROBE_NOT_OURS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_wrong_protocol),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
