// An independent reader: frames of every technique and family go into a capture file, and tshark must find in
// each exactly the fields we meant, with right checksums. Without tshark the test fails.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/endian.h"
#include "unit/probe/common.h"

#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))
#define TEXT_MAX   64
#define FRAMES_MAX 512
#define ROUNDS     20

#define FIELDS(X)                                   \
	X(LEN, "frame.len")                         \
	X(MALFORMED, "_ws.malformed")               \
	X(ETH_DST, "eth.dst")                       \
	X(ETH_SRC, "eth.src")                       \
	X(ETH_TYPE, "eth.type")                     \
	X(IP_SRC, "ip.src")                         \
	X(IP_DST, "ip.dst")                         \
	X(IP_LEN, "ip.len")                         \
	X(IP_TTL, "ip.ttl")                         \
	X(IP_FLAGS, "ip.flags")                     \
	X(IP_OFFSET, "ip.frag_offset")              \
	X(IP_SUM, "ip.checksum.status")             \
	X(V6_SRC, "ipv6.src")                       \
	X(V6_DST, "ipv6.dst")                       \
	X(V6_HLIM, "ipv6.hlim")                     \
	X(V6_LEN, "ipv6.plen")                      \
	X(TCP_SPORT, "tcp.srcport")                 \
	X(TCP_DPORT, "tcp.dstport")                 \
	X(TCP_SEQ, "tcp.seq_raw")                   \
	X(TCP_ACKNO, "tcp.ack_raw")                 \
	X(TCP_FLAGS, "tcp.flags")                   \
	X(TCP_WINDOW, "tcp.window_size_value")      \
	X(TCP_MSS, "tcp.options.mss_val")           \
	X(TCP_HEADER, "tcp.hdr_len")                \
	X(TCP_SUM, "tcp.checksum.status")           \
	X(ICMP_TYPE, "icmp.type")                   \
	X(ICMP_CODE, "icmp.code")                   \
	X(ICMP_ID, "icmp.ident")                    \
	X(ICMP_SEQ, "icmp.seq")                     \
	X(ICMP_TIME, "icmp.originate_timestamp")    \
	X(ICMP_SUM, "icmp.checksum.status")         \
	X(ICMP6_TYPE, "icmpv6.type")                \
	X(ICMP6_CODE, "icmpv6.code")                \
	X(ICMP6_ID, "icmpv6.echo.identifier")       \
	X(ICMP6_SEQ, "icmpv6.echo.sequence_number") \
	X(ICMP6_SUM, "icmpv6.checksum.status")      \
	X(ND_TARGET, "icmpv6.nd.ns.target_address") \
	X(ND_LINK, "icmpv6.opt.linkaddr")           \
	X(PAYLOAD, "data.data")                     \
	X(ARP_OP, "arp.opcode")                     \
	X(ARP_MAC, "arp.src.hw_mac")                \
	X(ARP_SRC, "arp.src.proto_ipv4")            \
	X(ARP_DST, "arp.dst.proto_ipv4")

enum field {
#define X(id, name) F_##id,
	FIELDS(X)
#undef X
		FIELD_COUNT
};

static const char *const field_names[] = {
#define X(id, name) name,
	FIELDS(X)
#undef X
};

struct expected {
	char text[FIELD_COUNT][TEXT_MAX];
};

struct capture {
	FILE *file;
	struct expected frames[FRAMES_MAX];
	size_t count;
};

__attribute__((format(printf, 3, 4))) static void expect(struct expected *e, enum field f, const char *fmt,
							 ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->text[f], TEXT_MAX, fmt, ap);
	va_end(ap);
}

static void expect_addr(struct expected *e, enum field f, const struct addr *a)
{
	uint8_t b[16];

	if (addr_is_v4(a))
		store_be32(b, addr_v4_value(a));
	else
		store_be64(b, a->hi), store_be64(b + 8, a->lo);
	assert_non_null(inet_ntop(addr_is_v4(a) ? AF_INET : AF_INET6, b, e->text[f], TEXT_MAX));
}

static void expect_ip(struct expected *e, const struct addr *src, const struct addr *dst, size_t len,
		      unsigned ttl)
{
	bool v4 = addr_is_v4(src);

	expect(e, F_ETH_TYPE, "%s", v4 ? "0x0800" : "0x86dd");
	expect_addr(e, v4 ? F_IP_SRC : F_V6_SRC, src);
	expect_addr(e, v4 ? F_IP_DST : F_V6_DST, dst);
	expect(e, v4 ? F_IP_TTL : F_V6_HLIM, "%u", ttl);
	expect(e, v4 ? F_IP_LEN : F_V6_LEN, "%zu", v4 ? len : len - 40);
	if (v4) {
		expect(e, F_IP_FLAGS, "0x00");
		expect(e, F_IP_OFFSET, "0");
		expect(e, F_IP_SUM, "1");
	}
}

static void expect_tcp(struct expected *e, const struct frame_desc *d, enum technique t, unsigned mss)
{
	bool syn = t == TECHNIQUE_TCP_SYN;

	expect(e, F_TCP_SPORT, "%u", d->sport);
	expect(e, F_TCP_DPORT, "%u", d->dport);
	expect(e, F_TCP_SEQ, "%u", syn ? d->cookie : 0);
	expect(e, F_TCP_ACKNO, "%u", syn ? 0 : d->cookie);
	expect(e, F_TCP_FLAGS, "%s", syn ? "0x0002" : "0x0010");
	expect(e, F_TCP_WINDOW, "1024");
	expect(e, F_TCP_HEADER, mss ? "24" : "20");
	expect(e, F_TCP_SUM, "1");
	if (mss)
		expect(e, F_TCP_MSS, "%u", mss);
}

static void expect_icmp(struct expected *e, const struct frame_desc *d, enum technique t)
{
	expect(e, F_ICMP_TYPE, t == TECHNIQUE_ICMP_ECHO ? "8" : "13");
	expect(e, F_ICMP_CODE, "0");
	expect(e, F_ICMP_ID, "%u", d->sport);
	expect(e, F_ICMP_SEQ, "%u", d->dport);
	expect(e, F_ICMP_SUM, "1");
	if (t == TECHNIQUE_ICMP_ECHO)
		expect(e, F_PAYLOAD, "%08x", d->cookie);
	else
		expect(e, F_ICMP_TIME, "%u", d->cookie);
}

static void expect_echo6(struct expected *e, const struct frame_desc *d)
{
	expect(e, F_ICMP6_TYPE, "128");
	expect(e, F_ICMP6_CODE, "0");
	expect(e, F_ICMP6_ID, "0x%04x", d->sport);
	expect(e, F_ICMP6_SEQ, "%u", d->dport);
	expect(e, F_ICMP6_SUM, "1");
	expect(e, F_PAYLOAD, "%08x", d->cookie);
}

static void expect_arp(struct expected *e, const struct addr *src, const struct addr *dst)
{
	expect(e, F_LEN, "60");
	expect(e, F_ETH_DST, "ff:ff:ff:ff:ff:ff");
	expect(e, F_ETH_TYPE, "0x0806");
	expect(e, F_ARP_OP, "1");
	expect(e, F_ARP_MAC, "02:00:00:fe:ff:02");
	expect_addr(e, F_ARP_SRC, src);
	expect_addr(e, F_ARP_DST, dst);
}

static void expect_ndp(struct expected *e, const struct addr *src, const struct addr *dst)
{
	unsigned low = (unsigned)(dst->lo & 0xffffff);
	struct addr group = {.hi = 0xff02000000000000ULL, .lo = 0x1ff000000ULL | low};

	expect_ip(e, src, &group, 72, 255);
	expect(e, F_ETH_DST, "33:33:ff:%02x:%02x:%02x", low >> 16, low >> 8 & 0xff, low & 0xff);
	expect(e, F_ICMP6_TYPE, "135");
	expect(e, F_ICMP6_CODE, "0");
	expect(e, F_ICMP6_SUM, "1");
	expect_addr(e, F_ND_TARGET, dst);
	expect(e, F_ND_LINK, "02:00:00:fe:ff:02");
}

static size_t tcp_mss(const struct probe_env *env, enum technique t, bool v6)
{
	if (t != TECHNIQUE_TCP_SYN || env->no_tcp_options)
		return 0;
	return v6 ? 1440 : 1460;
}

static void expect_frame(struct expected *e, const struct probe_env *env, enum technique t,
			 const struct addr *dst, const struct frame_desc *d)
{
	bool v6 = !addr_is_v4(dst);
	const struct addr *src = probe_test_us(v6 ? ADDR_V6 : ADDR_V4);
	size_t header = v6 ? 40 : 20, l4 = 0;
	unsigned mss = (unsigned)tcp_mss(env, t, v6);

	expect(e, F_ETH_DST, "02:00:00:00:00:01");
	expect(e, F_ETH_SRC, "02:00:00:fe:ff:02");
	switch (t) {
	case TECHNIQUE_TCP_SYN:
	case TECHNIQUE_TCP_ACK:
		l4 = mss ? 24 : 20;
		expect_tcp(e, d, t, mss);
		break;
	case TECHNIQUE_ICMP_ECHO:
	case TECHNIQUE_ICMP_TIMESTAMP:
		l4 = t == TECHNIQUE_ICMP_ECHO ? 12 : 20;
		if (v6)
			expect_echo6(e, d);
		else
			expect_icmp(e, d, t);
		break;
	case TECHNIQUE_ARP:
		expect_arp(e, src, dst);
		return;
	default:
		expect(e, F_LEN, "86");
		expect_ndp(e, src, dst);
		return;
	}
	expect(e, F_LEN, "%zu", 14 + header + l4);
	expect_ip(e, src, dst, header + l4, env->ttl ? env->ttl : 64);
}

static void write_frame(FILE *f, const uint8_t *data, size_t len)
{
	uint32_t head[4] = {0, 0, (uint32_t)len, (uint32_t)len};

	assert_int_equal(fwrite(head, sizeof(head), 1, f), 1);
	assert_int_equal(fwrite(data, len, 1, f), 1);
}

static void add_frame(struct capture *cap, const struct probe_env *env, enum technique t,
		      const struct addr *dst, uint16_t port, unsigned try_no)
{
	enum addr_family family = addr_is_v4(dst) ? ADDR_V4 : ADDR_V6;
	struct frame_desc d = {.dst_hi = dst->hi, .dst_lo = dst->lo};
	struct frame_hop hop = probe_test_hop(family);
	struct frame_template tmpl;
	uint8_t out[FRAME_MAX];

	assert_true(cap->count < FRAMES_MAX);
	assert_int_equal(probe_get(t)->make_template(env, family, &tmpl), 0);
	probe_get(t)->aim(env, dst, port, try_no, &d);
	write_frame(cap->file, out, frame_build(&tmpl, &hop, &d, true, out));
	expect_frame(&cap->frames[cap->count++], env, t, dst, &d);
}

// Targets and ports without a pattern, so that checksums carry in every way.
static void add_round(struct capture *cap, const struct probe_env *env, uint64_t round)
{
	struct addr v4 = addr_v4(0xc6120000U | (uint32_t)(hash_mix64(round + 1) & 0x1ffff));
	struct addr v6 = {.hi = 0x20010db800000000ULL | (hash_mix64(round + 77) >> 32),
			  .lo = hash_mix64(round + 99)};
	uint16_t port = (uint16_t)hash_mix64(round + 33);

	for (int t = 0; t < TECHNIQUE_COUNT; t++) {
		const struct probe_ops *ops = probe_get((enum technique)t);

		if (!ops->make_template)
			continue;
		if (ops->v4)
			add_frame(cap, env, (enum technique)t, &v4, port, 1 + (unsigned)(round % 10));
		if (ops->v6)
			add_frame(cap, env, (enum technique)t, &v6, port, 1 + (unsigned)(round % 10));
	}
}

static void fill_capture(struct capture *cap)
{
	static const uint32_t file_head[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1};

	assert_int_equal(fwrite(file_head, sizeof(file_head), 1, cap->file), 1);
	for (uint64_t round = 0; round < ROUNDS; round++) {
		struct probe_env env;

		probe_test_env(&env);
		env.no_tcp_options = round % 3 == 1;
		env.ttl = round % 4 == 2 ? 5 : 0;
		add_round(cap, &env, round);
	}
	assert_int_equal(fflush(cap->file), 0);
}

static FILE *start_tshark(int fd)
{
	char command[4096];
	size_t n = (size_t)snprintf(command, sizeof(command),
				    "exec tshark -n -r /dev/fd/%d -T fields -E separator='|' -E occurrence=f "
				    "-o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE",
				    fd);

	for (size_t i = 0; i < FIELD_COUNT && n < sizeof(command); i++)
		n += (size_t)snprintf(command + n, sizeof(command) - n, " -e %s", field_names[i]);
	assert_true(n < sizeof(command));
	return popen(command, "r");
}

static void check_line(char *line, const struct expected *e, size_t number)
{
	char *rest = line;

	line[strcspn(line, "\n")] = 0;
	for (size_t f = 0; f < FIELD_COUNT; f++) {
		const char *seen = strsep(&rest, "|");

		if (!seen || strcmp(seen, e->text[f]) != 0)
			fail_msg("frame %zu, %s: \"%s\", expected \"%s\"", number, field_names[f],
				 seen ? seen : "(none)", e->text[f]);
	}
	assert_null(rest);
}

static void test_tshark(void **state)
{
	char path[] = "/tmp/prtip-oracle-XXXXXX", line[4096];
	struct capture *cap = calloc(1, sizeof(*cap));
	int fd = mkstemp(path);
	size_t seen = 0;

	(void)state;
	assert_non_null(cap);
	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0); // the descriptor is inherited
	cap->file = fdopen(fd, "wb");
	assert_non_null(cap->file);
	fill_capture(cap);
	assert_int_equal(cap->count, ROUNDS * 9);

	FILE *tshark = start_tshark(fd);

	assert_non_null(tshark);
	while (seen < cap->count && fgets(line, sizeof(line), tshark)) {
		check_line(line, &cap->frames[seen], seen + 1);
		seen++;
	}
	assert_int_equal(pclose(tshark), 0);
	assert_int_equal(seen, cap->count);
	assert_int_equal(fclose(cap->file), 0);
	free(cap);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(test_tshark)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
