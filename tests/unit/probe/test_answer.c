// Replies of targets to every technique: right ones, and wrong in one thing each.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/endian.h"
#include "unit/probe/common.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static enum probe_verdict classify(const struct probe_env *env, uint32_t mask, const struct craft *c,
				   struct probe_answer *a)
{
	struct packet_view v;

	memset(a, 0xee, sizeof(*a));
	assert_int_equal(packet_parse(c->bytes, c->len, c->ethertype, &v), 0);
	return probe_classify(env, mask, &v, a);
}

struct tcp_case {
	const char *what;
	enum technique t;
	uint8_t flags;
	uint32_t ack_add, seq_add; // to what is right for the technique
	int sport_add, dport_add;
	bool other_source;
	enum probe_verdict verdict;
	uint8_t state, reason;
};

#define SYN   TECHNIQUE_TCP_SYN
#define ACK   TECHNIQUE_TCP_ACK
#define SA    (TCP_SYN | TCP_ACK)
#define RA    (TCP_RST | TCP_ACK)
#define NONE  PROBE_NOT_OURS
#define WRONG PROBE_REJECTED
#define GOOD  PROBE_ANSWER

static const struct tcp_case tcp_cases[] = {
	{"SYN-ACK", SYN, SA, 0, 0, 0, 0, false, GOOD, STATE_OPEN, REASON_SYN_ACK},
	{"SYN-ACK with ECE", SYN, SA | 0x40, 0, 0, 0, 0, false, GOOD, STATE_OPEN, REASON_SYN_ACK},
	{"reset", SYN, RA, 0, 0, 0, 0, false, GOOD, STATE_CLOSED, REASON_RESET},
	{"SYN-ACK of another number", SYN, SA, 1, 0, 0, 0, false, WRONG, 0, 0},
	{"SYN-ACK that acknowledges nothing", SYN, SA, (uint32_t)-1, 0, 0, 0, false, WRONG, 0, 0},
	{"reset of another number", SYN, RA, 0x10000, 0, 0, 0, false, WRONG, 0, 0},
	{"from another port", SYN, SA, 0, 0, 1, 0, false, WRONG, 0, 0},
	{"to another try's port", SYN, SA, 0, 0, 0, 1, false, WRONG, 0, 0},
	{"to the port below ours", SYN, SA, 0, 0, 0, -3, false, NONE, 0, 0},
	{"to the port above ours", SYN, SA, 0, 0, 0, 8, false, NONE, 0, 0},
	{"from another host", SYN, SA, 0, 0, 0, 0, true, WRONG, 0, 0},
	{"reset without ACK", SYN, TCP_RST, 0, 0, 0, 0, false, NONE, 0, 0},
	{"SYN and reset", SYN, TCP_SYN | RA, 0, 0, 0, 0, false, NONE, 0, 0},
	{"simultaneous open", SYN, TCP_SYN, 0, 0, 0, 0, false, NONE, 0, 0},
	{"ACK alone", SYN, TCP_ACK, 0, 0, 0, 0, false, NONE, 0, 0},
	{"no flags", SYN, 0, 0, 0, 0, 0, false, NONE, 0, 0},
	{"reset", ACK, TCP_RST, 0, 0, 0, 0, false, GOOD, STATE_UP, REASON_RESET},
	{"reset with ACK", ACK, RA, 0, 0, 0, 0, false, GOOD, STATE_UP, REASON_RESET},
	{"reset of another number", ACK, TCP_RST, 0, 1, 0, 0, false, WRONG, 0, 0},
	{"from another port", ACK, TCP_RST, 0, 0, 1, 0, false, WRONG, 0, 0},
	{"to another try's port", ACK, TCP_RST, 0, 0, 0, -1, false, WRONG, 0, 0},
	{"to a port that is not ours", ACK, TCP_RST, 0, 0, 0, 50, false, NONE, 0, 0},
	{"from another host", ACK, TCP_RST, 0, 0, 0, 0, true, WRONG, 0, 0},
	{"SYN-ACK", ACK, SA, 0, 0, 0, 0, false, NONE, 0, 0},
};

static void craft_answer(const struct tcp_case *k, const struct sent *s, enum addr_family family,
			 struct craft *c)
{
	struct craft_tcp tcp = {
		.sport = (uint16_t)(443 + k->sport_add),
		.dport = (uint16_t)(s->desc.sport + k->dport_add),
		.seq = (k->t == ACK ? s->desc.cookie : 0x5555aaaa) + k->seq_add,
		.ack = (k->t == SYN ? s->desc.cookie + 1 : 0) + k->ack_add,
		.flags = k->flags,
		.window = 29200,
		.options = "\x02\x04\x05\xb4",
		.options_len = 4,
	};

	craft_tcp(c, k->other_source ? probe_test_router(family) : probe_test_them(family),
		  probe_test_us(family), &tcp);
}

static void check_tcp_answer(const struct tcp_case *k, enum addr_family family, const struct probe_answer *a)
{
	assert_int_equal(a->technique, k->t);
	assert_int_equal(a->state, k->state);
	assert_int_equal(a->reason, k->reason);
	assert_true(addr_equal(&a->target, probe_test_them(family)));
	assert_int_equal(a->port, 443);
	assert_int_equal(a->try_no, 3);
	assert_int_equal(a->ttl, 55);
	assert_int_equal(a->window, 29200);
	assert_false(a->from_other);
	assert_false(a->mac_known);
	if (k->t == SYN) {
		assert_int_equal(a->options_len, 4);
		assert_memory_equal(a->options, "\x02\x04\x05\xb4", 4);
	}
}

static void test_tcp(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(tcp_cases) * 2; i++) {
		const struct tcp_case *k = &tcp_cases[i / 2];
		enum addr_family family = i & 1 ? ADDR_V6 : ADDR_V4;
		struct probe_answer a;
		struct probe_env env;
		struct craft c;
		struct sent s;

		probe_test_env(&env);
		probe_test_send(&env, k->t, family, 3, &s);
		craft_answer(k, &s, family, &c);

		enum probe_verdict verdict = classify(&env, 1U << k->t, &c, &a);

		if (verdict != k->verdict)
			fail_msg("%s to %s: %d", k->what, probe_get(k->t)->name, (int)verdict);
		if (verdict == GOOD)
			check_tcp_answer(k, family, &a);
	}
}

// A reset is right for one technique and wrong for the other: the right one wins, whichever comes first.
static void test_both_tcp(void **state)
{
	static const struct tcp_case *const k[] = {&tcp_cases[2], &tcp_cases[17]};

	(void)state;
	for (size_t i = 0; i < COUNT(k); i++) {
		struct probe_answer a;
		struct probe_env env;
		struct craft c;
		struct sent s;

		probe_test_env(&env);
		probe_test_send(&env, k[i]->t, ADDR_V4, 3, &s);
		craft_answer(k[i], &s, ADDR_V4, &c);
		assert_int_equal(classify(&env, ALL_TECHNIQUES, &c, &a), GOOD);
		check_tcp_answer(k[i], ADDR_V4, &a);
		assert_int_equal(classify(&env, 1U << (k[i]->t == SYN ? ACK : SYN), &c, &a), WRONG);
		assert_int_equal(classify(&env, 0, &c, &a), NONE);
		assert_int_equal(classify(&env, 1U << TECHNIQUE_TCP_CONNECT, &c, &a), NONE);
	}
}

static void test_fixed_port(void **state)
{
	struct probe_answer a;
	struct probe_env env;
	struct craft c;
	struct sent s;

	(void)state;
	probe_test_env(&env);
	env.sport_fixed = true;
	probe_test_send(&env, SYN, ADDR_V4, 3, &s);
	craft_answer(&tcp_cases[0], &s, ADDR_V4, &c);
	assert_int_equal(classify(&env, ALL_TECHNIQUES, &c, &a), GOOD);
	assert_int_equal(a.try_no, 0);
	assert_int_equal(a.port, 443);
	craft_answer(&tcp_cases[7], &s, ADDR_V4, &c); // one port higher
	assert_int_equal(classify(&env, ALL_TECHNIQUES, &c, &a), NONE);
}

// The range of our ports may not wrap; one at the very end must work all the same.
static void test_last_port(void **state)
{
	struct probe_answer a;
	struct probe_env env;
	struct craft c;
	struct sent s;

	(void)state;
	probe_test_env(&env);
	env.sport_base = 65533;
	env.sport_tries = 3;
	probe_test_send(&env, SYN, ADDR_V4, 3, &s);
	assert_int_equal(s.desc.sport, 65535);
	craft_answer(&tcp_cases[0], &s, ADDR_V4, &c);
	assert_int_equal(classify(&env, ALL_TECHNIQUES, &c, &a), GOOD);
	assert_int_equal(a.try_no, 3);
}

struct icmp_case {
	const char *what;
	enum technique t;
	enum addr_family family;
	uint8_t type_code[2];
	int id_add, seq_add;
	uint32_t cookie_xor;
	uint8_t body_len;
	bool other_source;
	enum probe_verdict verdict;
};

#define ECHO  TECHNIQUE_ICMP_ECHO
#define STAMP TECHNIQUE_ICMP_TIMESTAMP

static const struct icmp_case icmp_cases[] = {
	{"reply", ECHO, ADDR_V4, {0, 0}, 0, 0, 0, 4, false, GOOD},
	{"reply", ECHO, ADDR_V6, {129, 0}, 0, 0, 0, 4, false, GOOD},
	{"our own request", ECHO, ADDR_V4, {8, 0}, 0, 0, 0, 4, false, NONE},
	{"our own request", ECHO, ADDR_V6, {128, 0}, 0, 0, 0, 4, false, NONE},
	{"the other family's reply", ECHO, ADDR_V4, {129, 0}, 0, 0, 0, 4, false, NONE},
	{"reply with a code", ECHO, ADDR_V4, {0, 1}, 0, 0, 0, 4, false, NONE},
	{"somebody else's identifier", ECHO, ADDR_V4, {0, 0}, 100, 0, 0, 4, false, NONE},
	{"another try's identifier", ECHO, ADDR_V4, {0, 0}, 1, 0, 0, 4, false, WRONG},
	{"another sequence number", ECHO, ADDR_V6, {129, 0}, 0, 1, 0, 4, false, WRONG},
	{"another payload", ECHO, ADDR_V6, {129, 0}, 0, 0, 1, 4, false, WRONG},
	{"payload cut short", ECHO, ADDR_V4, {0, 0}, 0, 0, 0, 3, false, WRONG},
	{"no payload", ECHO, ADDR_V4, {0, 0}, 0, 0, 0, 0, false, WRONG},
	{"from another host", ECHO, ADDR_V4, {0, 0}, 0, 0, 0, 4, true, WRONG},
	{"reply", STAMP, ADDR_V4, {14, 0}, 0, 0, 0, 12, false, GOOD},
	{"echo reply", STAMP, ADDR_V4, {0, 0}, 0, 0, 0, 12, false, NONE},
	{"another originate time", STAMP, ADDR_V4, {14, 0}, 0, 0, 0x100, 12, false, WRONG},
	{"another sequence number", STAMP, ADDR_V4, {14, 0}, 0, -1, 0, 12, false, WRONG},
	{"cut short", STAMP, ADDR_V4, {14, 0}, 0, 0, 0, 2, false, WRONG},
};

static void test_icmp(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(icmp_cases); i++) {
		const struct icmp_case *k = &icmp_cases[i];
		struct probe_answer a;
		struct probe_env env;
		uint8_t body[12] = {0};
		struct craft c;
		struct sent s;

		probe_test_env(&env);
		probe_test_send(&env, k->t, k->family, 2, &s);
		store_be32(body, s.desc.cookie ^ k->cookie_xor);
		craft_icmp(&c, k->other_source ? probe_test_router(k->family) : probe_test_them(k->family),
			   probe_test_us(k->family),
			   &(struct craft_icmp){k->type_code, (uint16_t)(s.desc.sport + k->id_add),
						(uint16_t)(s.desc.dport + k->seq_add)},
			   body, k->body_len);

		enum probe_verdict verdict = classify(&env, 1U << k->t, &c, &a);

		if (verdict != k->verdict)
			fail_msg("%s to %s: %d", k->what, probe_get(k->t)->name, (int)verdict);
		if (verdict != GOOD)
			continue;
		assert_int_equal(a.technique, k->t);
		assert_int_equal(a.state, STATE_UP);
		assert_int_equal(a.reason, k->t == ECHO ? REASON_ECHO_REPLY : REASON_TIMESTAMP_REPLY);
		assert_true(addr_equal(&a.target, probe_test_them(k->family)));
		assert_int_equal(a.port, 0);
		assert_int_equal(a.try_no, 2);
		assert_int_equal(a.ttl, 55);
	}
}

static void check_neighbour(const struct probe_answer *a, enum technique t, enum addr_family family,
			    const uint8_t *mac)
{
	assert_int_equal(a->technique, t);
	assert_int_equal(a->state, STATE_UP);
	assert_int_equal(a->reason, t == TECHNIQUE_ARP ? REASON_ARP_RESPONSE : REASON_ND_RESPONSE);
	assert_true(addr_equal(&a->target, probe_test_them(family)));
	assert_int_equal(a->try_no, 0);
	assert_int_equal(a->mac_known, mac != NULL);
	if (mac)
		assert_memory_equal(a->mac, mac, 6);
}

static void test_neighbours(void **state)
{
	static const uint8_t mac[6] = {2, 9, 8, 7, 6, 5};
	const struct addr *them6 = probe_test_them(ADDR_V6), *us6 = probe_test_us(ADDR_V6);
	struct probe_answer a;
	struct probe_env env;
	struct craft c;

	(void)state;
	probe_test_env(&env);
	craft_arp(&c, 2, mac, probe_test_them(ADDR_V4), probe_test_us(ADDR_V4));
	assert_int_equal(classify(&env, ALL_TECHNIQUES, &c, &a), GOOD);
	check_neighbour(&a, TECHNIQUE_ARP, ADDR_V4, mac);
	assert_int_equal(classify(&env, ALL_TECHNIQUES & ~(1U << TECHNIQUE_ARP), &c, &a), NONE);
	craft_arp(&c, 1, mac, probe_test_them(ADDR_V4), probe_test_us(ADDR_V4));
	assert_int_equal(classify(&env, ALL_TECHNIQUES, &c, &a), NONE);
	craft_advert(&c, probe_test_router(ADDR_V6), us6, 255, them6, mac); // a proxy may answer for it
	assert_int_equal(classify(&env, ALL_TECHNIQUES, &c, &a), GOOD);
	check_neighbour(&a, TECHNIQUE_NDP, ADDR_V6, mac);
	craft_advert(&c, them6, us6, 255, them6, NULL);
	assert_int_equal(classify(&env, ALL_TECHNIQUES, &c, &a), GOOD);
	check_neighbour(&a, TECHNIQUE_NDP, ADDR_V6, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp),        cmocka_unit_test(test_both_tcp),
		cmocka_unit_test(test_fixed_port), cmocka_unit_test(test_last_port),
		cmocka_unit_test(test_icmp),       cmocka_unit_test(test_neighbours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
