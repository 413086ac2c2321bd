#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "result/hosts.h"
#include "target/ports.h"

#define START_NS (1000 * NS_PER_S)

static struct hosts_config config(uint32_t tcp_ports)
{
	return (struct hosts_config){.ports = {tcp_ports},
				     .silent_state = {STATE_FILTERED, STATE_OPEN_FILTERED, STATE_FILTERED},
				     .start_wall_ns = START_NS};
}

static struct record answer(uint32_t ip, uint16_t port, uint8_t state, uint8_t reason)
{
	return (struct record){.addr = addr_v4(ip),
			       .port = port,
			       .state = state,
			       .reason = reason,
			       .ttl = 64,
			       .rtt_us = 1000,
			       .wall_ns = START_NS + NS_PER_S};
}

static void put(struct hosts *h, uint32_t ip, uint16_t port, uint8_t state, uint8_t reason, bool late)
{
	struct record r = answer(ip, port, state, reason);
	r.late = late;
	assert_int_equal(hosts_answer(h, &r), 0);
}

static uint32_t count_of(const struct host_result *r, uint8_t proto, uint8_t state, uint8_t reason)
{
	for (size_t i = 0; i < r->count_count; i++) {
		if (r->counts[i].proto == proto && r->counts[i].state == state &&
		    r->counts[i].reason == reason)
			return r->counts[i].count;
	}
	return 0;
}

static void finish(struct hosts *h, uint32_t ip, struct host_result *out)
{
	struct addr a = addr_v4(ip);
	assert_true(hosts_finish(h, &a, out));
}

// One host, a sequence of answers to one port; what is known at the end.
static void test_which_answer_wins(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		struct {
			uint8_t state, reason;
			bool late;
		} seq[3];
		uint8_t want;
	} rows[] = {
		{"open stays open", {{STATE_OPEN, REASON_SYN_ACK}, {STATE_CLOSED, REASON_RESET}}, STATE_OPEN},
		{"open replaces closed",
		 {{STATE_CLOSED, REASON_RESET}, {STATE_OPEN, REASON_SYN_ACK}},
		 STATE_OPEN},
		{"open replaces filtered",
		 {{STATE_FILTERED, REASON_HOST_PROHIBITED}, {STATE_OPEN, REASON_SYN_ACK, true}},
		 STATE_OPEN},
		{"a late answer replaces silence",
		 {{STATE_FILTERED, REASON_NO_RESPONSE}, {STATE_CLOSED, REASON_RESET, true}},
		 STATE_CLOSED},
		{"silence replaces nothing",
		 {{STATE_CLOSED, REASON_RESET}, {STATE_FILTERED, REASON_NO_RESPONSE}},
		 STATE_CLOSED},
		{"the host's word replaces a router's",
		 {{STATE_FILTERED, REASON_HOST_UNREACH}, {STATE_CLOSED, REASON_RESET}},
		 STATE_CLOSED},
		{"and not the other way",
		 {{STATE_CLOSED, REASON_RESET}, {STATE_FILTERED, REASON_HOST_UNREACH}},
		 STATE_CLOSED},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hosts_config cfg = config(1);
		struct hosts *h = hosts_new(&cfg);
		struct host_result r;
		for (size_t k = 0; k < 3 && rows[i].seq[k].state; k++)
			put(h, 7, 80, rows[i].seq[k].state, rows[i].seq[k].reason, rows[i].seq[k].late);
		finish(h, 7, &r);
		if (r.port_count != 1 || r.ports[0].state != rows[i].want || r.count_count != 0)
			fail_msg("%s: %zu ports, state %d, %zu counts", rows[i].what, r.port_count,
				 r.port_count ? r.ports[0].state : -1, r.count_count);
		hosts_free(h);
	}
}

static void test_few_are_listed_many_counted(void **state)
{
	(void)state;
	static const struct {
		unsigned verbose, debug, closed;
		bool open_only;
		size_t listed;
		uint32_t counted;
	} rows[] = {
		{0, 0, 25, false, 25, 0},       {0, 0, 26, false, 0, 26},   {1, 0, 50, false, 50, 0},
		{1, 0, 51, false, 0, 51},       {0, 1, 525, false, 525, 0}, {0, 1, 526, false, 0, 526},
		{0, 0, 65535, false, 0, 65535}, {0, 0, 3, true, 0, 3},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hosts_config cfg = config(rows[i].closed + 2);
		struct hosts *h = hosts_new(&cfg);
		struct host_result r;
		cfg.verbose = rows[i].verbose;
		cfg.debug = rows[i].debug;
		cfg.open_only = rows[i].open_only;
		hosts_free(h);
		h = hosts_new(&cfg);
		put(h, 9, 0, STATE_OPEN, REASON_SYN_ACK, false);
		for (unsigned p = 1; p <= rows[i].closed; p++)
			put(h, 9, (uint16_t)(p * 7919), STATE_CLOSED, REASON_RESET, false);
		put(h, 9, 8, STATE_OPEN, REASON_SYN_ACK, false);
		finish(h, 9, &r);
		assert_int_equal(r.ports_total, rows[i].closed + 2);
		size_t open = 0;
		for (size_t k = 0; k < r.port_count; k++) {
			open += r.ports[k].state == STATE_OPEN;
			if (k > 0)
				assert_true(r.ports[k - 1].port < r.ports[k].port);
		}
		assert_int_equal(open, 2);
		assert_int_equal(r.port_count, rows[i].listed + 2);
		assert_int_equal(count_of(&r, 0, STATE_CLOSED, REASON_RESET), rows[i].counted);
		hosts_free(h);
	}
}

static void test_all_open(void **state)
{
	(void)state;
	struct hosts_config cfg = config(65536);
	struct hosts *h = hosts_new(&cfg);
	struct host_result r;

	for (uint32_t p = 0; p < 65536; p++)
		put(h, 9, (uint16_t)(p * 40503), STATE_OPEN, REASON_SYN_ACK, false);
	finish(h, 9, &r);
	assert_int_equal(r.port_count, 65536);
	for (uint32_t p = 0; p < 65536; p++)
		assert_int_equal(r.ports[p].port, p);
	assert_int_equal(r.count_count, 0);
	hosts_free(h);
}

static void test_missing_is_silent(void **state)
{
	(void)state;
	struct hosts_config cfg = config(1000);
	cfg.ports[PROTO_UDP] = 10;
	struct hosts *h = hosts_new(&cfg);
	struct host_result r;

	put(h, 1, 80, STATE_OPEN, REASON_SYN_ACK, false);
	put(h, 1, 81, STATE_CLOSED, REASON_RESET, false);
	finish(h, 1, &r);
	assert_int_equal(r.ports_total, 1010);
	assert_int_equal(r.port_count, 2);
	assert_int_equal(count_of(&r, PROTO_TCP, STATE_FILTERED, REASON_NO_RESPONSE), 998);
	assert_int_equal(count_of(&r, PROTO_UDP, STATE_OPEN_FILTERED, REASON_NO_RESPONSE), 10);
	assert_false(r.incomplete);

	// A host that ran out of time, and one that was interrupted, have not shown the rest.
	struct addr b = addr_v4(2);
	put(h, 2, 80, STATE_OPEN, REASON_SYN_ACK, false);
	assert_int_equal(hosts_timed_out(h, &b), 0);
	finish(h, 2, &r);
	assert_true(r.timed_out);
	assert_int_equal(r.count_count, 0);
	put(h, 3, 80, STATE_OPEN, REASON_SYN_ACK, false);
	hosts_interrupted(h);
	finish(h, 3, &r);
	assert_true(r.incomplete);
	assert_int_equal(r.count_count, 0);
	assert_int_equal(r.port_count, 1);
	hosts_free(h);
}

static void test_silence_reported_singly(void **state)
{
	(void)state;
	struct hosts_config cfg = config(30);
	struct addr a = addr_v4(1), b = addr_v4(2);
	struct host_result r;

	for (int keep = 0; keep <= 1; keep++) {
		cfg.keep_silent = keep;
		struct hosts *h = hosts_new(&cfg);
		put(h, 1, 1, STATE_OPEN, REASON_SYN_ACK, false);
		for (uint16_t p = 2; p <= 4; p++)
			assert_int_equal(hosts_silent(h, &a, 0, p, STATE_FILTERED, REASON_NO_RESPONSE), 0);
		put(h, 1, 4, STATE_OPEN, REASON_SYN_ACK, true);
		for (uint16_t p = 5; p <= 30; p++)
			put(h, 1, p, STATE_CLOSED, REASON_RESET, false);
		assert_int_equal(hosts_silent(h, &b, 0, 5, STATE_FILTERED, REASON_NO_RESPONSE), 0);
		finish(h, 1, &r);
		assert_int_equal(r.port_count, 4); // 1 and 4 open, 2 and 3 filtered
		assert_int_equal(r.ports[1].state, STATE_FILTERED);
		assert_int_equal(r.ports[3].state, STATE_OPEN);
		assert_int_equal(count_of(&r, 0, STATE_CLOSED, REASON_RESET), 26);
		assert_int_equal(r.count_count, 1);
		assert_int_equal(hosts_finish(h, &b, &r), keep);
		if (keep)
			assert_int_equal(r.state, STATE_DOWN);
		hosts_free(h);
	}
}

// -Pn speaks for hosts that nothing speaks against: no neighbour of that address, no route, is down.
static void test_assumed_up(void **state)
{
	(void)state;
	struct hosts_config cfg = config(1);
	struct addr a = addr_v4(1), b = addr_v4(2);
	struct host_result r;

	cfg.assume_up = cfg.keep_down = cfg.keep_silent = true;
	struct hosts *h = hosts_new(&cfg);
	assert_int_equal(hosts_silent(h, &a, 0, 80, STATE_FILTERED, REASON_NO_RESPONSE), 0);
	assert_int_equal(hosts_down(h, &b, REASON_NET_UNREACH), 0);
	assert_true(hosts_finish(h, &a, &r));
	assert_int_equal(r.state, STATE_UP);
	assert_int_equal(r.reason, REASON_USER_SET);
	assert_true(hosts_finish(h, &b, &r));
	assert_int_equal(r.state, STATE_DOWN);
	assert_int_equal(r.reason, REASON_NET_UNREACH);
	assert_int_equal(r.port_count + r.count_count, 0);
	hosts_free(h);
}

static void test_up_and_down(void **state)
{
	(void)state;
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
	struct hosts_config cfg = config(0);
	struct addr a = addr_v4(1), b = addr_v4(2), c = addr_v4(3);
	struct host_result r;

	cfg.keep_down = true;
	struct hosts *h = hosts_new(&cfg);
	assert_int_equal(hosts_down(h, &a, REASON_NO_RESPONSE), 0);
	assert_int_equal(
		hosts_up(h, &a,
			 &(struct host_sign){REASON_ARP_RESPONSE, 0, 250, mac, START_NS + 5 * NS_PER_MS}),
		0);
	assert_int_equal(hosts_down(h, &a, REASON_NO_RESPONSE), 0); // too late to be believed
	assert_int_equal(hosts_down(h, &b, REASON_HOST_UNREACH), 0);
	struct record routed = answer(3, 80, STATE_FILTERED, REASON_HOST_PROHIBITED);
	routed.from = addr_v4(99);
	assert_int_equal(hosts_answer(h, &routed), 0);
	assert_int_equal(hosts_name(h, &a, "asked.example", NULL), 0);
	assert_int_equal(hosts_name(h, &a, NULL, "ptr.example"), 0);

	assert_true(hosts_finish(h, &a, &r));
	assert_int_equal(r.state, STATE_UP);
	assert_int_equal(r.reason, REASON_ARP_RESPONSE);
	assert_true(r.mac_known);
	assert_memory_equal(r.mac, mac, 6);
	assert_string_equal(r.asked, "asked.example");
	assert_string_equal(r.ptr_name, "ptr.example");
	assert_int_equal(r.srtt_us, 250);
	assert_int_equal(r.rttvar_us, 125);
	assert_int_equal(r.start_wall_ns, START_NS + 5 * NS_PER_MS);
	assert_true(hosts_finish(h, &b, &r));
	assert_int_equal(r.state, STATE_DOWN);
	assert_int_equal(r.reason, REASON_HOST_UNREACH);
	assert_true(hosts_finish(h, &c, &r)); // a router's word does not make a host live
	assert_int_equal(r.state, STATE_DOWN);
	assert_int_equal(r.srtt_us, 0);
	assert_false(hosts_finish(h, &a, &r));
	hosts_free(h);
}

static void test_rtt(void **state)
{
	(void)state;
	struct hosts_config cfg = config(10);
	struct hosts *h = hosts_new(&cfg);
	struct host_result r;
	static const uint32_t rtts[] = {1000, 2000, 0, 1000};

	for (uint16_t i = 0; i < 4; i++) {
		struct record rec = answer(1, i, STATE_OPEN, REASON_SYN_ACK);
		rec.rtt_us = rtts[i];
		assert_int_equal(hosts_answer(h, &rec), 0);
	}
	finish(h, 1, &r);
	// RFC 6298 by hand: 1000/500; 1125/625; (unknown); 1109/500
	assert_int_equal(r.srtt_us, 1109);
	assert_int_equal(r.rttvar_us, 500);
	hosts_free(h);
}

// Many hosts, some taken out on the way: the rest comes out in order, each once.
static void test_many_hosts_in_order(void **state)
{
	(void)state;
	enum { N = 50000 };
	struct hosts_config cfg = config(4);
	struct hosts *h = hosts_new(&cfg);
	struct host_result r;
	struct hosts_stats st;

	for (uint32_t i = 0; i < N; i++) {
		put(h, (i * 7919) % N, 80, STATE_OPEN, REASON_SYN_ACK, false);
		put(h, (i * 7919) % N, 81, STATE_CLOSED, REASON_RESET, false);
	}
	hosts_stats(h, &st);
	assert_int_equal(st.hosts, N);
	assert_true(st.bytes / N < 64 + 24 + 8 + 16 + 48 + 8 * 2);
	for (uint32_t i = 0; i < N; i += 3)
		finish(h, i, &r);
	assert_int_equal(hosts_first(h), 0);
	uint32_t want = 1;
	while (hosts_next(h, &r)) {
		assert_int_equal(addr_v4_value(&r.addr), want);
		assert_int_equal(r.port_count, 2);
		want += want % 3 == 1 ? 1 : 2;
	}
	assert_true(want >= N - 1);
	hosts_stats(h, &st);
	assert_int_equal(st.hosts, 0);
	assert_int_equal(st.dropped, 0);
	put(h, 5, 80, STATE_OPEN, REASON_SYN_ACK, false); // ids are used again
	finish(h, 5, &r);
	hosts_free(h);
}

static void test_caps(void **state)
{
	(void)state;
	struct hosts_config cfg = config(4);
	struct hosts_stats st;
	struct host_result r;

	cfg.cap_hosts = 10;
	struct hosts *h = hosts_new(&cfg);
	for (uint32_t i = 0; i < 15; i++) {
		struct record rec = answer(i, 80, STATE_OPEN, REASON_SYN_ACK);
		assert_int_equal(hosts_answer(h, &rec), i < 10 ? 0 : ERR_LIMIT);
	}
	hosts_stats(h, &st);
	assert_int_equal(st.hosts, 10);
	assert_int_equal(st.dropped, 5);
	hosts_free(h);

	// Silent and dead hosts leave half of the room to those that answer.
	cfg.keep_down = cfg.keep_silent = true;
	h = hosts_new(&cfg);
	for (uint32_t i = 0; i < 20; i++) {
		struct addr a = addr_v4(100 + i);
		int rc = i % 2 ? hosts_down(h, &a, REASON_NO_RESPONSE)
			       : hosts_silent(h, &a, 0, 1, STATE_FILTERED, REASON_NO_RESPONSE);
		assert_int_equal(rc, i < 5 ? 0 : ERR_LIMIT);
	}
	for (uint32_t i = 0; i < 5; i++)
		put(h, i, 80, STATE_OPEN, REASON_SYN_ACK, false);
	hosts_stats(h, &st);
	assert_int_equal(st.hosts, 10);
	assert_int_equal(st.dropped, 15);
	hosts_free(h);
	cfg.keep_down = cfg.keep_silent = false;

	// A name, or a limit, of a host that was reported does not start it anew.
	h = hosts_new(&cfg);
	struct addr gone = addr_v4(200);
	assert_int_equal(hosts_name(h, &gone, NULL, "late.example"), 0);
	assert_int_equal(hosts_limited(h, &gone, true), 0);
	assert_false(hosts_finish(h, &gone, &r));
	hosts_free(h);

	cfg.cap_hosts = 0;
	cfg.cap_bytes = 600000; // a chunk of hosts and some ports
	h = hosts_new(&cfg);
	uint64_t refused = 0;
	for (uint32_t i = 0; i < 65536; i++) {
		struct record rec = answer(1, (uint16_t)i, STATE_OPEN, REASON_SYN_ACK);
		refused += hosts_answer(h, &rec) == ERR_LIMIT;
	}
	hosts_stats(h, &st);
	assert_true(refused > 0);
	assert_int_equal(st.dropped, refused);
	assert_true(st.bytes <= 600000);
	finish(h, 1, &r);
	assert_int_equal(r.port_count, 65536 - refused);
	hosts_free(h);
}

static void test_more_kinds_than_counts(void **state)
{
	(void)state;
	struct hosts_config cfg = config(0);
	struct hosts *h = hosts_new(&cfg);
	struct host_result r;
	uint32_t n = 0, seen = 0;

	cfg.open_only = true;
	hosts_free(h);
	h = hosts_new(&cfg);
	for (uint8_t s = STATE_CLOSED; s <= STATE_CLOSED_FILTERED; s++) {
		for (uint8_t reason = 0; reason < REASON_COUNT; reason++, n++)
			put(h, 1, (uint16_t)n, s, reason, false);
	}
	finish(h, 1, &r);
	assert_true(r.count_count <= HOST_COUNTS_MAX);
	for (size_t i = 0; i < r.count_count; i++)
		seen += r.counts[i].count;
	assert_int_equal(seen + r.port_count, n);
	hosts_free(h);
}

static void test_late_after_report(void **state)
{
	(void)state;
	struct hosts_config cfg = config(1000);
	struct hosts *h = hosts_new(&cfg);
	struct host_result r;

	put(h, 1, 80, STATE_OPEN, REASON_SYN_ACK, true); // its first answer was late, nothing was reported
	finish(h, 1, &r);
	assert_int_equal(r.count_count, 1);
	put(h, 1, 81, STATE_OPEN, REASON_SYN_ACK, true); // now the rest was reported before
	finish(h, 1, &r);
	assert_int_equal(r.port_count, 1);
	assert_int_equal(r.count_count, 0);
	hosts_free(h);
}

// Ports of one host for which so many routers speak: each is named, up to 255 of them.
static void test_who_said_so(void **state)
{
	(void)state;
	static const unsigned routers[] = {0, 1, 2, 255, 300};
	for (size_t i = 0; i < sizeof(routers) / sizeof(routers[0]); i++) {
		struct hosts_config cfg = config(0);
		struct hosts_stats before, filled, after;
		struct host_result r;
		cfg.debug = 9;
		struct hosts *h = hosts_new(&cfg);
		put(h, 2, 80, STATE_CLOSED, REASON_RESET, false);
		hosts_stats(h, &before);
		put(h, 1, 2000, STATE_CLOSED, REASON_RESET, false);
		for (uint32_t port = 0; routers[i] && port < 600; port++) {
			struct record rec = answer(1, (uint16_t)port, STATE_FILTERED, REASON_HOST_UNREACH);
			rec.from = addr_v4(1000 + port % routers[i]);
			assert_int_equal(hosts_answer(h, &rec), 0);
		}
		put(h, 1, 0, STATE_OPEN, REASON_SYN_ACK, false); // its own word after the router's
		hosts_stats(h, &filled);
		assert_int_equal(filled.dropped, routers[i] > 255 ? 2 * (routers[i] - 255) : 0);
		finish(h, 1, &r);
		assert_int_equal(r.port_count, routers[i] ? 601 : 2);
		assert_int_equal(r.speaker_count, routers[i] < 255 ? routers[i] : 255);
		for (size_t k = 0; k < r.port_count; k++) {
			uint16_t port = r.ports[k].port;
			const struct addr *who = host_speaker(&r, &r.ports[k]);
			bool named = port > 0 && port < 600 && port % routers[i] < 255;
			assert_int_equal(who != NULL, named);
			if (named)
				assert_int_equal(addr_v4_value(who), 1000 + port % routers[i]);
		}
		hosts_stats(h, &after);
		assert_int_equal(after.bytes, before.bytes);
		finish(h, 2, &r);
		assert_int_equal(r.speaker_count, 0);
		hosts_free(h);
	}
}

static void count_up_hosts(void *ctx, const struct addr *a, bool up)
{
	(void)a;
	*(unsigned *)ctx += up;
}

// Whatever is expected, hosts that nobody knows and such as were taken out too, nothing else changes.
static void test_expected(void **state)
{
	(void)state;
	enum { HOSTS = 5000 };
	struct hosts_config c = config(2);
	struct hosts *h = hosts_new(&c);
	struct host_result r;
	for (uint32_t i = 0; i < 3 * HOSTS; i++) {
		struct addr soon = addr_v4(i * 7 % (2 * HOSTS));
		hosts_expect(h, &soon);
		if (i % 3)
			continue;
		put(h, i / 3, 80, STATE_OPEN, REASON_SYN_ACK, false);
		if (i % 2)
			finish(h, i / 3, &r);
	}
	struct hosts_stats s;
	hosts_stats(h, &s);
	assert_int_equal(s.hosts, HOSTS / 2);
	assert_int_equal(s.dropped, 0);
	assert_int_equal(hosts_first(h), 0);
	for (uint32_t i = 0; i < HOSTS; i += 2) {
		assert_true(hosts_next(h, &r));
		assert_int_equal((uint32_t)r.addr.lo, i);
		assert_int_equal(count_of(&r, PROTO_TCP, STATE_FILTERED, REASON_NO_RESPONSE), 1);
	}
	assert_false(hosts_next(h, &r));
	hosts_free(h);
}

static void test_visit(void **state)
{
	(void)state;
	struct hosts_config cfg = config(1);
	struct hosts *h = hosts_new(&cfg);
	struct addr named = addr_v4(77);
	unsigned up = 0;

	for (uint32_t i = 0; i < 5; i++)
		put(h, i, 80, STATE_CLOSED, REASON_RESET, false);
	assert_int_equal(hosts_name(h, &named, "silent.example", NULL), 0);
	hosts_visit(h, count_up_hosts, &up);
	assert_int_equal(up, 5);
	hosts_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_which_answer_wins),
		cmocka_unit_test(test_few_are_listed_many_counted),
		cmocka_unit_test(test_all_open),
		cmocka_unit_test(test_missing_is_silent),
		cmocka_unit_test(test_silence_reported_singly),
		cmocka_unit_test(test_assumed_up),
		cmocka_unit_test(test_up_and_down),
		cmocka_unit_test(test_rtt),
		cmocka_unit_test(test_many_hosts_in_order),
		cmocka_unit_test(test_caps),
		cmocka_unit_test(test_more_kinds_than_counts),
		cmocka_unit_test(test_late_after_report),
		cmocka_unit_test(test_expected),
		cmocka_unit_test(test_visit),
		cmocka_unit_test(test_who_said_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
