// The responder: its rule, its command lines, and its program in the kernel on frames that are made here,
// without an interface (that part needs root).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "responder/extras.h"
#include "responder/options.h"

#include "responder.skel.h"

enum {
	ROOM = 512,
	ETH = 14,
	V4 = 20,
	V6 = 40,
	TCP = 20,
	SEQ = 0x01020304,
	SYN = 0x02,
	ACK = 0x10,
	RST = 0x04,
	MSS_BYTES = 4,
	FLAGS_AT = 13
};

struct frame {
	uint8_t b[ROOM];
	uint32_t length, ip_bytes; // ip_bytes: the IP header with its options
	bool v6;
};

static const uint8_t near_mac[6] = {2, 0, 0, 0, 0, 2}, far_mac[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t near4[4] = {198, 19, 255, 2}, far4[4] = {198, 18, 3, 4};
static const uint8_t near6[16] = {0x20, 1, 0xd, 0xb8, 0xff, 0xff, [15] = 2};
static const uint8_t far6[16] = {0x20, 1, 0xd, 0xb8, 0, 1, [15] = 9};

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t get32(const uint8_t *at)
{
	return get16(at) << 16 | get16(at + 2);
}

static uint32_t sum(const uint8_t *at, uint32_t bytes, uint32_t s)
{
	for (uint32_t i = 0; i < bytes; i++)
		s += i % 2 ? at[i] : (uint32_t)at[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

// Of what is behind the IP header, with the pseudo header of TCP or ICMPv6; 0xffff when the checksum is
// right.
static uint32_t upper_sum(const struct frame *f, uint32_t proto)
{
	const uint8_t *addresses = f->b + ETH + (f->v6 ? 8 : 12);
	uint32_t bytes = f->length - ETH - f->ip_bytes;

	return sum(f->b + ETH + f->ip_bytes, bytes, sum(addresses, f->v6 ? 32 : 8, proto + bytes));
}

static void finish_ip4(struct frame *f)
{
	put16(f->b + ETH + 10, 0);
	put16(f->b + ETH + 10, ~sum(f->b + ETH, f->ip_bytes, 0) & 0xffff);
}

// A frame with an IP header and `bytes` zeros behind it.
static struct frame ip_frame(bool v6, uint8_t proto, uint32_t options, uint32_t bytes)
{
	struct frame f = {.v6 = v6, .ip_bytes = v6 ? V6 : V4 + options};
	uint8_t *ip = f.b + ETH;

	memcpy(f.b, far_mac, 6);
	memcpy(f.b + 6, near_mac, 6);
	put16(f.b + 12, v6 ? 0x86dd : 0x0800);
	f.length = ETH + f.ip_bytes + bytes;
	if (v6) {
		ip[0] = 0x60;
		put16(ip + 4, bytes);
		ip[6] = proto;
		ip[7] = 55;
		memcpy(ip + 8, near6, 16);
		memcpy(ip + 24, far6, 16);
		return f;
	}
	ip[0] = (uint8_t)(0x40 | f.ip_bytes / 4);
	put16(ip + 2, f.ip_bytes + bytes);
	put16(ip + 4, 777);
	ip[8] = 55;
	ip[9] = proto;
	memcpy(ip + 12, near4, 4);
	memcpy(ip + 16, far4, 4);
	memset(ip + V4, 1, options); // no operation
	finish_ip4(&f);
	return f;
}

static struct frame tcp_frame(bool v6, uint16_t port, uint8_t flags, uint32_t ip_options,
			      uint32_t tcp_options)
{
	struct frame f = ip_frame(v6, 6, ip_options, TCP + tcp_options);
	uint8_t *tcp = f.b + ETH + f.ip_bytes;

	put16(tcp, 40000);
	put16(tcp + 2, port);
	put16(tcp + 4, SEQ >> 16);
	put16(tcp + 6, SEQ & 0xffff);
	tcp[12] = (uint8_t)((TCP + tcp_options) / 4 << 4);
	tcp[FLAGS_AT] = flags;
	memset(tcp + TCP, 1, tcp_options);
	return f;
}

// ---- the rule

static const struct responder_settings half_half = {
	.seed = 7, .open_ppm = 500000, .closed_ppm = 250000, .up_ppm = RESPONDER_MILLION};

static struct responder_settings with_seed(uint64_t seed)
{
	struct responder_settings s = half_half;

	s.seed = seed;
	s.key = responder_key(seed);
	return s;
}

static enum responder_state state_at(const struct responder_settings *s, uint64_t hi, uint64_t lo,
				     uint32_t port)
{
	return responder_state(s, hi, lo, responder_hash(s, hi, lo, port));
}

// Neighbours in each part of a position, and seeds that differ by one bit, are as unlike as coins.
static void test_rule_is_mixed(void **state)
{
	enum { N = 200000, DEVIATIONS = 5 };
	struct responder_settings one = with_seed(1), two = with_seed(0);
	int same[4] = {0}, open = 0;

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		uint64_t hi = 0x20010db800010000ULL + i / 1000, lo = i % 1000;
		bool here = state_at(&one, hi, lo, 80) == RESPONDER_OPEN;

		open += here;
		same[0] += here == (state_at(&one, hi, lo + 1, 80) == RESPONDER_OPEN);
		same[1] += here == (state_at(&one, hi + 1, lo, 80) == RESPONDER_OPEN);
		same[2] += here == (state_at(&one, hi, lo, 81) == RESPONDER_OPEN);
		same[3] += here == (state_at(&two, hi, lo, 80) == RESPONDER_OPEN);
	}
	// The deviation of N coins is sqrt(N)/2, here 224.
	assert_in_range(open, N / 2 - DEVIATIONS * 224, N / 2 + DEVIATIONS * 224);
	for (int i = 0; i < 4; i++)
		assert_in_range(same[i], N / 2 - DEVIATIONS * 224, N / 2 + DEVIATIONS * 224);
}

static void test_hosts_that_are_down_are_silent(void **state)
{
	struct responder_settings s = with_seed(3);
	int up = 0;

	(void)state;
	s.up_ppm = 300000;
	s.open_ppm = RESPONDER_MILLION;
	s.closed_ppm = 0;
	for (uint32_t i = 0; i < 10000; i++) {
		bool is = responder_is_up(&s, 0, 0xffffc6120000ULL + i);

		up += is;
		for (uint32_t port = 1; port < 5; port++)
			assert_int_equal(state_at(&s, 0, 0xffffc6120000ULL + i, port),
					 is ? RESPONDER_OPEN : RESPONDER_SILENT);
	}
	assert_in_range(up, 3000 - 230, 3000 + 230); // 5 deviations
}

// ---- command lines

static void test_options(void **state)
{
	static const struct {
		const char *argv[8];
		enum command_bit command;
		int rc;
	} cases[] = {
		{{"eth0", NULL}, FOR_RUN, 0},
		{{"eth0", "--seed", "18446744073709551615", "--open", "1000000", "--closed", "0", NULL},
		 FOR_RUN,
		 0},
		{{"eth0", "--late", "5", "--late-by", "100", NULL}, FOR_SET, 0},
		{{"198.18.0.0/16", "1-10", "--all", "--up", "7", NULL}, FOR_TRUTH, 0},
		{{NULL}, FOR_RUN, ERR_USAGE},
		{{"eth0", "eth1", NULL}, FOR_RUN, ERR_USAGE},
		{{"198.18.0.0/16", NULL}, FOR_TRUTH, ERR_USAGE},
		{{"eth0", "--open", "1000001", NULL}, FOR_RUN, ERR_RANGE},
		{{"eth0", "--open", "5x", NULL}, FOR_RUN, ERR_SYNTAX},
		{{"eth0", "--open", NULL}, FOR_RUN, ERR_USAGE},
		{{"eth0", "--open", "600000", "--closed", "400001", NULL}, FOR_RUN, ERR_RANGE},
		{{"eth0", "--late", "5", NULL}, FOR_RUN, ERR_USAGE},
		{{"eth0", "--late-by", "60001", NULL}, FOR_RUN, ERR_RANGE},
		{{"eth0", "--prefix", "198.18.0.0/33", NULL}, FOR_RUN, ERR_RANGE},
		{{"eth0", "--prefix", "198.18.0", NULL}, FOR_RUN, ERR_SYNTAX},
		{{"eth0", "--prefix", "198.18.0.0/16", NULL}, FOR_SET, ERR_USAGE},
		{{"1.2.3.4", "1", "--loss-in", "5", NULL}, FOR_TRUTH, ERR_USAGE},
		{{"eth0", "--seed", "5", NULL}, FOR_STATS, ERR_USAGE},
		{{"eth0", "--all", NULL}, FOR_RUN, ERR_USAGE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *argv[8];
		struct options o;
		struct err_text e;
		int rc;

		memcpy(argv, cases[i].argv, sizeof(argv));
		options_defaults(&o);
		rc = options_parse(&o, argv, cases[i].command, &e);
		if (rc == 0)
			rc = options_check(&o, cases[i].command, &e);
		if (rc != cases[i].rc)
			fail_msg("case %zu: %d (%s), expected %d", i, rc, rc ? e.text : "", cases[i].rc);
	}
}

static void test_prefixes(void **state)
{
	static const struct {
		const char *prefix;
		uint64_t hi, lo;
		bool have;
	} cases[] = {
		{"198.18.7.7/16", 0, 0xffffc612ffffULL, true},
		{"198.18.0.0/16", 0, 0xffffc6130000ULL, false},
		{"198.18.0.1", 0, 0xffffc6120001ULL, true},
		{"198.18.0.1", 0, 0xffffc6120002ULL, false},
		{"0.0.0.0/0", 0, 0xffffffffffffULL, true},
		{"0.0.0.0/0", 0x20010db800000000ULL, 1, false},
		{"2001:db8:1::/48", 0x20010db80001ffffULL, ~0ULL, true},
		{"2001:db8:1::/48", 0x20010db800020000ULL, 0, false},
		{"2001:db8::ff00/120", 0x20010db800000000ULL, 0xffff, true},
		{"2001:db8::ff00/120", 0x20010db800000000ULL, 0x1ff00, false},
		{"::/0", 0x20010db800000000ULL, 1, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct prefixes p = {0};
		struct err_text e;

		assert_int_equal(prefixes_add(&p, cases[i].prefix, &e), 0);
		if (prefixes_have(&p, cases[i].hi, cases[i].lo) != cases[i].have)
			fail_msg("case %zu", i);
	}
}

// ---- the program in the kernel

static int load(void **state)
{
	struct responder_bpf *bpf = responder_bpf__open();
	struct options o;
	struct err_text e;

	*state = NULL;
	if (geteuid() != 0 || !bpf) {
		responder_bpf__destroy(bpf);
		return 0;
	}
	options_defaults(&o);
	if (prefixes_add(&o.prefixes, "198.18.0.0/16", &e) < 0 ||
	    prefixes_add(&o.prefixes, "2001:db8:1::/48", &e) < 0)
		return -1;
	memcpy(bpf->rodata->prefixes4, o.prefixes.v4, sizeof(o.prefixes.v4));
	memcpy(bpf->rodata->prefixes6, o.prefixes.v6, sizeof(o.prefixes.v6));
	bpf->rodata->prefixes4_count = bpf->rodata->prefixes6_count = 1;
	bpf->bss->settings = with_seed(7);
	if (responder_bpf__load(bpf) < 0)
		return -1;
	*state = bpf;
	return 0;
}

static int unload(void **state)
{
	responder_bpf__destroy(*state);
	return 0;
}

static struct responder_bpf *program(void **state)
{
	if (!*state)
		skip();
	struct responder_bpf *bpf = *state;
	bpf->bss->settings = with_seed(7);
	return bpf;
}

// What becomes of the frame, which takes the place of it.
static uint32_t run(struct responder_bpf *bpf, struct frame *f)
{
	uint8_t out[ROOM + 64] = {0};
	struct bpf_test_run_opts how = {.sz = sizeof(how),
					.data_in = f->b,
					.data_size_in = f->length,
					.data_out = out,
					.data_size_out = sizeof(out),
					.repeat = 1};

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(bpf->progs.respond), &how), 0);
	assert_true(how.data_size_out <= ROOM);
	memcpy(f->b, out, sizeof(f->b));
	f->length = how.data_size_out;
	return how.retval;
}

static uint64_t counted(struct responder_bpf *bpf, bool v6, int kind)
{
	struct responder_counts each[256];
	const uint32_t zero = 0;
	uint64_t total = 0;

	assert_in_range(libbpf_num_possible_cpus(), 1, 256);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(bpf->maps.counts), &zero, each), 0);
	for (int i = 0; i < libbpf_num_possible_cpus(); i++)
		total += v6 ? each[i].v6[kind] : each[i].v4[kind];
	return total;
}

static uint16_t port_with(const struct responder_settings *s, bool v6, enum responder_state wanted)
{
	uint64_t hi = v6 ? 0x20010db800010000ULL : 0, lo = v6 ? 9 : 0xffffc6120304ULL;

	for (uint16_t port = 1;; port++)
		if (state_at(s, hi, lo, port) == wanted)
			return port;
}

static void check_answer(const struct frame *f, uint16_t port, enum responder_state wanted)
{
	bool open = wanted == RESPONDER_OPEN;
	uint32_t ip = f->v6 ? V6 : V4;
	const uint8_t *tcp = f->b + ETH + ip;

	assert_int_equal(f->ip_bytes, ip);
	assert_int_equal(f->length, ETH + ip + TCP + (open ? MSS_BYTES : 0));
	assert_memory_equal(f->b, near_mac, 6);
	assert_memory_equal(f->b + 6, far_mac, 6);
	if (f->v6) {
		assert_int_equal(get32(f->b + ETH), 0x60000000);
		assert_int_equal(get16(f->b + ETH + 4), f->length - ETH - V6);
		assert_int_equal(f->b[ETH + 6], 6);
		assert_memory_equal(f->b + ETH + 8, far6, 16);
		assert_memory_equal(f->b + ETH + 24, near6, 16);
	} else {
		assert_int_equal(f->b[ETH], 0x45);
		assert_int_equal(get16(f->b + ETH + 2), f->length - ETH);
		assert_int_equal(sum(f->b + ETH, V4, 0), 0xffff);
		assert_memory_equal(f->b + ETH + 12, far4, 4);
		assert_memory_equal(f->b + ETH + 16, near4, 4);
	}
	assert_int_equal(get16(tcp), port);
	assert_int_equal(get16(tcp + 2), 40000);
	assert_int_equal(get32(tcp + 8), SEQ + 1);
	assert_int_equal(tcp[12] >> 4, open ? 6 : 5);
	assert_int_equal(tcp[FLAGS_AT], open ? (SYN | ACK) : (RST | ACK));
	if (open)
		assert_int_equal(get32(tcp + TCP), f->v6 ? 0x020405a0 : 0x020405b4);
	assert_int_equal(upper_sum(f, 6), 0xffff);
}

static void test_syns_are_answered(void **state)
{
	static const struct {
		bool v6;
		uint32_t ip_options, tcp_options, padding;
	} shapes[] = {{false, 0, 0, 0},   {false, 0, 4, 0},  {false, 0, 40, 0}, {false, 4, 0, 0},
		      {false, 40, 40, 0}, {false, 20, 0, 6}, {false, 0, 0, 6},  {true, 0, 0, 0},
		      {true, 0, 4, 0},    {true, 0, 40, 0},  {true, 0, 20, 9},  {false, 0, 12, 200}};
	struct responder_bpf *bpf = program(state);

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		for (int wanted = RESPONDER_SILENT; wanted <= RESPONDER_OPEN; wanted++) {
			static const int kinds[] = {COUNT_SILENT, COUNT_CLOSED, COUNT_OPEN};
			uint16_t port = port_with(&bpf->bss->settings, shapes[i].v6, wanted);
			struct frame f = tcp_frame(shapes[i].v6, port, SYN, shapes[i].ip_options,
						   shapes[i].tcp_options);
			uint64_t before = counted(bpf, f.v6, kinds[wanted]);

			f.length += shapes[i].padding;
			assert_int_equal(run(bpf, &f), wanted == RESPONDER_SILENT ? XDP_DROP : XDP_TX);
			assert_int_equal(counted(bpf, f.v6, kinds[wanted]), before + 1);
			f.ip_bytes = f.v6 ? V6 : V4;
			if (wanted != RESPONDER_SILENT)
				check_answer(&f, port, wanted);
		}
	}
}

// Behind a SYN with data the reset acknowledges that too, as a kernel's does; the SYN-ACK does not.
static void test_data_in_the_syn(void **state)
{
	struct responder_bpf *bpf = program(state);

	for (int wanted = RESPONDER_CLOSED; wanted <= RESPONDER_OPEN; wanted++) {
		uint16_t port = port_with(&bpf->bss->settings, true, wanted);
		struct frame f = tcp_frame(true, port, SYN, 0, 24);

		f.b[ETH + V6 + 12] = 0x50; // what was options is data
		assert_int_equal(run(bpf, &f), XDP_TX);
		assert_int_equal(get32(f.b + ETH + V6 + 8), SEQ + 1 + (wanted == RESPONDER_OPEN ? 0 : 24));
		assert_int_equal(upper_sum(&f, 6), 0xffff);
	}
}

static void test_cut_short(void **state)
{
	struct responder_bpf *bpf = program(state);

	for (int v6 = 0; v6 < 2; v6++) {
		uint16_t port = port_with(&bpf->bss->settings, v6, RESPONDER_OPEN);
		struct frame whole = tcp_frame(v6, port, SYN, v6 ? 0 : 8, 12);

		for (uint32_t length = ETH; length < whole.length; length++) { // the kernel wants a header
			struct frame f = whole;
			uint32_t verdict;

			f.length = length;
			verdict = run(bpf, &f);
			assert_true(verdict == XDP_DROP || verdict == XDP_PASS);
			// Once it is seen whom it is for, it goes no further.
			if (length >= ETH + (v6 ? V6 : V4))
				assert_int_equal(verdict, XDP_DROP);
		}
		assert_int_equal(run(bpf, &whole), XDP_TX);
	}
}

// A changed byte: what becomes of the frame, and what it is counted as.
static void test_damaged_and_others(void **state)
{
	enum { ANY = -1 };
	static const struct {
		const char *what;
		bool v6;
		uint32_t at, value; // of one byte in a SYN to an open port
		bool finish;        // the IPv4 checksum is made right again
		uint32_t verdict;
		int kind;
	} cases[] = {
		{"wrong IP checksum", false, ETH + 10, 0x55, false, XDP_DROP, COUNT_MALFORMED},
		{"header of 16 bytes", false, ETH, 0x44, true, XDP_DROP, COUNT_MALFORMED},
		{"longer than the frame", false, ETH + 3, 41, true, XDP_DROP, COUNT_MALFORMED},
		{"no room for TCP", false, ETH + 3, 39, true, XDP_DROP, COUNT_MALFORMED},
		{"shorter than its header", false, ETH + 3, 19, true, XDP_DROP, COUNT_MALFORMED},
		{"TCP header of 16", false, ETH + V4 + 12, 0x40, false, XDP_DROP, COUNT_MALFORMED},
		{"TCP header beyond the end", false, ETH + V4 + 12, 0x60, false, XDP_DROP, COUNT_MALFORMED},
		{"longer than the frame", true, ETH + 5, 21, false, XDP_DROP, COUNT_MALFORMED},
		{"no room for TCP", true, ETH + 5, 19, false, XDP_DROP, COUNT_MALFORMED},
		{"TCP header beyond the end", true, ETH + V6 + 12, 0x60, false, XDP_DROP, COUNT_MALFORMED},
		{"ACK", false, ETH + V4 + FLAGS_AT, ACK, false, XDP_DROP, COUNT_OTHER},
		{"SYN-ACK", false, ETH + V4 + FLAGS_AT, SYN | ACK, false, XDP_DROP, COUNT_OTHER},
		{"RST", true, ETH + V6 + FLAGS_AT, RST, false, XDP_DROP, COUNT_OTHER},
		{"SYN with PSH, URG, ECE and CWR", false, ETH + V4 + FLAGS_AT, 0xea, false, XDP_TX,
		 COUNT_OPEN},
		{"first fragment", false, ETH + 6, 0x20, true, XDP_PASS, ANY},
		{"later fragment", false, ETH + 7, 0x01, true, XDP_PASS, ANY},
		{"reserved flag and DF", false, ETH + 6, 0x40, true, XDP_TX, COUNT_OPEN},
		{"UDP", false, ETH + 9, 17, true, XDP_PASS, ANY},
		{"UDP", true, ETH + 6, 17, false, XDP_PASS, ANY},
		{"fragment header", true, ETH + 6, 44, false, XDP_PASS, ANY},
		{"neighbour solicitation", true, ETH + 6, 58, false, XDP_PASS, ANY},
		{"version 5", false, ETH, 0x55, true, XDP_PASS, ANY},
		{"version 4 in an IPv6 frame", true, ETH, 0x40, false, XDP_PASS, ANY},
		{"another network", false, ETH + 17, 19, true, XDP_PASS, ANY},
		{"another network", true, ETH + 29, 2, false, XDP_PASS, ANY},
		{"ARP", false, 13, 0x06, false, XDP_PASS, ANY},
		{"VLAN", true, 12, 0x81, false, XDP_PASS, ANY},
	};
	struct responder_bpf *bpf = program(state);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool v6 = cases[i].v6;
		struct frame f = tcp_frame(v6, port_with(&bpf->bss->settings, v6, RESPONDER_OPEN), SYN, 0, 0),
			     was;
		uint64_t before = cases[i].kind == ANY ? 0 : counted(bpf, v6, cases[i].kind);
		uint32_t verdict;

		f.b[cases[i].at] = (uint8_t)cases[i].value;
		if (cases[i].finish)
			finish_ip4(&f);
		was = f;
		verdict = run(bpf, &f);
		if (verdict != cases[i].verdict)
			fail_msg("%s (IPv%d): %u, expected %u", cases[i].what, v6 ? 6 : 4, verdict,
				 cases[i].verdict);
		if (cases[i].kind != ANY && counted(bpf, v6, cases[i].kind) != before + 1)
			fail_msg("%s (IPv%d): not counted", cases[i].what, v6 ? 6 : 4);
		if (verdict == XDP_PASS) {
			assert_int_equal(f.length, was.length);
			assert_memory_equal(f.b, was.b, was.length);
		}
	}
}

static void test_echoes(void **state)
{
	struct responder_bpf *bpf = program(state);

	for (int v6 = 0; v6 < 2; v6++) {
		struct frame f = ip_frame(v6, v6 ? 58 : 1, 0, 41), request, other;
		uint8_t *icmp = f.b + ETH + f.ip_bytes;

		icmp[0] = v6 ? 128 : 8;
		memset(icmp + 8, 0xa7, 33);
		put16(icmp + 2, ~(v6 ? upper_sum(&f, 58) : sum(icmp, 41, 0)) & 0xffff);
		request = other = f;
		assert_int_equal(run(bpf, &f), XDP_TX);
		assert_int_equal(f.length, request.length);
		assert_int_equal(icmp[0], v6 ? 129 : 0);
		assert_int_equal(v6 ? upper_sum(&f, 58) : sum(icmp, 41, 0), 0xffff);
		assert_memory_equal(icmp + 4, request.b + ETH + f.ip_bytes + 4, 37);
		assert_memory_equal(f.b, near_mac, 6);
		assert_memory_equal(f.b + ETH + (v6 ? 24 : 16), v6 ? near6 : near4, v6 ? 16 : 4);
		if (!v6)
			assert_int_equal(sum(f.b + ETH, V4, 0), 0xffff);
		bpf->bss->settings.up_ppm = 0;
		assert_int_equal(run(bpf, &request), XDP_DROP);
		bpf->bss->settings.up_ppm = RESPONDER_MILLION;
		other.b[ETH + other.ip_bytes]++; // no echo request
		assert_int_equal(run(bpf, &other), XDP_PASS);
	}
}

static int keep_last(void *context, void *data, size_t bytes)
{
	assert_int_equal(bytes, sizeof(struct responder_extra));
	memcpy(context, data, bytes);
	return 0;
}

static void test_losses_and_extras(void **state)
{
	enum { NONE, SAME, SPOILT, LATER };
	static const struct {
		size_t share; // the one that is all of them
		uint32_t verdict;
		int extra, kind;
	} cases[] = {
		{offsetof(struct responder_settings, loss_in_ppm), XDP_DROP, NONE, COUNT_LOST_IN},
		{offsetof(struct responder_settings, loss_out_ppm), XDP_DROP, NONE, COUNT_LOST_OUT},
		{offsetof(struct responder_settings, duplicate_ppm), XDP_TX, SAME, COUNT_DUPLICATES},
		{offsetof(struct responder_settings, wrong_ppm), XDP_TX, SPOILT, COUNT_WRONG},
		{offsetof(struct responder_settings, late_ppm), XDP_DROP, LATER, COUNT_LATE},
	};
	struct responder_bpf *bpf = program(state);
	struct responder_extra got;
	struct ring_buffer *ring = ring_buffer__new(bpf_map__fd(bpf->maps.extras), keep_last, &got, NULL);

	assert_non_null(ring);
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		bool v6 = i % 2;
		const uint32_t all = RESPONDER_MILLION;
		uint16_t port = port_with(&bpf->bss->settings, v6, RESPONDER_OPEN);
		struct frame f = tcp_frame(v6, port, SYN, 0, 0);
		uint64_t before = counted(bpf, v6, cases[i / 2].kind);

		bpf->bss->settings = with_seed(7);
		bpf->bss->settings.late_ms = 5;
		memcpy((char *)&bpf->bss->settings + cases[i / 2].share, &all, sizeof(all));
		got = (struct responder_extra){0};
		assert_int_equal(run(bpf, &f), cases[i / 2].verdict);
		assert_int_equal(counted(bpf, v6, cases[i / 2].kind), before + 1);
		assert_int_equal(ring_buffer__consume(ring), cases[i / 2].extra != NONE);
		if (cases[i / 2].extra == NONE)
			continue;
		assert_int_equal(got.length, ETH + (v6 ? V6 : V4) + TCP + MSS_BYTES);
		assert_int_equal(got.wrong, cases[i / 2].extra == SPOILT);
		assert_int_equal(got.due_ns != 0, cases[i / 2].extra == LATER);
		memcpy(f.b, got.frame, got.length);
		f.length = got.length;
		check_answer(&f, port, RESPONDER_OPEN);
	}
	ring_buffer__free(ring);
}

// The number is another, and the checksum right all the same.
static void test_spoilt_answers(void **state)
{
	struct responder_bpf *bpf = program(state);

	for (uint32_t i = 0; i < 2000; i++) {
		bool v6 = i % 2;
		struct frame f = tcp_frame(v6, port_with(&bpf->bss->settings, v6, 1 + i / 2 % 2), SYN, 0, 0);
		struct responder_extra x = {0};
		uint32_t ack_at = ETH + (v6 ? V6 : V4) + 8;

		assert_int_equal(run(bpf, &f), XDP_TX);
		memcpy(x.frame, f.b, f.length);
		extras_spoil(&x, i);
		assert_int_not_equal(get32(x.frame + ack_at), SEQ + 1);
		memcpy(f.b, x.frame, f.length);
		assert_int_equal(upper_sum(&f, 6), 0xffff);
	}
}

static void test_shares_of_loss(void **state)
{
	enum { N = 40000, PPM = 100000 };
	struct responder_bpf *bpf = program(state);
	struct frame f = tcp_frame(false, port_with(&bpf->bss->settings, false, RESPONDER_SILENT), SYN, 0, 0);
	struct bpf_test_run_opts how = {
		.sz = sizeof(how), .data_in = f.b, .data_size_in = f.length, .repeat = N};
	uint64_t lost = counted(bpf, false, COUNT_LOST_IN), silent = counted(bpf, false, COUNT_SILENT);

	bpf->bss->settings.loss_in_ppm = PPM;
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(bpf->progs.respond), &how), 0);
	lost = counted(bpf, false, COUNT_LOST_IN) - lost;
	silent = counted(bpf, false, COUNT_SILENT) - silent;
	assert_int_equal(lost + silent, N);
	assert_in_range(lost, 4000 - 300, 4000 + 300); // 5 deviations
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rule_is_mixed),
		cmocka_unit_test(test_hosts_that_are_down_are_silent),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_syns_are_answered),
		cmocka_unit_test(test_data_in_the_syn),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_damaged_and_others),
		cmocka_unit_test(test_echoes),
		cmocka_unit_test(test_losses_and_extras),
		cmocka_unit_test(test_spoilt_answers),
		cmocka_unit_test(test_shares_of_loss),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
