// Nanoseconds per frame_build, per packet_parse with probe_classify, and per probe_cookie. Each item runs
// several rounds over many different targets; the fastest round counts.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/endian.h"
#include "probe/probe.h"

#define TARGETS     1024
#define REPETITIONS 1000
#define ROUNDS      7

struct answer {
	uint8_t bytes[128];
	size_t len;
	uint16_t ethertype;
};

struct bench {
	struct probe_env env;
	enum technique technique;
	bool v6;
	struct frame_template tmpl;
	struct frame_hop hop;
	struct addr targets[TARGETS];
	struct frame_desc descs[TARGETS];
	struct answer answers[TARGETS];
};

struct item {
	const char *name;
	enum technique technique;
	bool v6;
	uint64_t (*run)(struct bench *b); // one pass over all targets; the result keeps it from vanishing
};

// Makes the compiler believe that somebody reads it.
static inline void keep(uint64_t v)
{
	__asm__ volatile("" : : "r"(v) : "memory");
}

static uint64_t run_build(struct bench *b)
{
	uint8_t out[FRAME_MAX];
	uint64_t sum = 0;

	for (size_t i = 0; i < TARGETS; i++) {
		sum += frame_build(&b->tmpl, &b->hop, &b->descs[i], true, out);
		__asm__ volatile("" : : "r"(out) : "memory");
	}
	return sum;
}

static uint64_t run_classify(struct bench *b)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < TARGETS; i++) {
		const struct answer *a = &b->answers[i];
		struct probe_answer out;
		struct packet_view v;

		if (packet_parse(a->bytes, a->len, a->ethertype, &v))
			abort();
		if (probe_classify(&b->env, 1U << b->technique, &v, &out) != PROBE_ANSWER)
			abort();
		sum += out.state;
	}
	return sum;
}

static uint64_t run_cookie(struct bench *b)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < TARGETS; i++)
		sum += probe_cookie(&b->env, TECHNIQUE_TCP_SYN, &b->targets[i], 40000, 443);
	return sum;
}

static uint64_t run_aim(struct bench *b)
{
	for (size_t i = 0; i < TARGETS; i++)
		probe_get(b->technique)->aim(&b->env, &b->targets[i], 443, 1, &b->descs[i]);
	return b->descs[TARGETS - 1].cookie;
}

// Turns a probe into its answer: addresses and ports swapped, SYN-ACK flags or the reply's type.
static void make_answer(struct bench *b, size_t i)
{
	struct answer *a = &b->answers[i];
	size_t addr = b->v6 ? 16 : 4, src = b->tmpl.src_off, l4 = b->tmpl.l4_off;
	uint8_t tmp[16];

	a->ethertype = b->tmpl.ethertype;
	a->len = frame_build(&b->tmpl, &b->hop, &b->descs[i], false, a->bytes);
	memcpy(tmp, a->bytes + src, addr);
	memcpy(a->bytes + src, a->bytes + src + addr, addr);
	memcpy(a->bytes + src + addr, tmp, addr);
	if (b->technique == TECHNIQUE_ICMP_ECHO) {
		a->bytes[l4] = b->v6 ? 129 : 0;
		return;
	}
	store_be16(a->bytes + l4, b->descs[i].dport);
	store_be16(a->bytes + l4 + 2, b->descs[i].sport);
	store_be32(a->bytes + l4 + 8, b->descs[i].cookie + 1);
	a->bytes[l4 + 13] = TCP_SYN | TCP_ACK;
}

static int prepare(struct bench *b, const struct item *item)
{
	const struct probe_ops *ops = probe_get(item->technique);

	*b = (struct bench){.technique = item->technique, .v6 = item->v6};
	b->env = (struct probe_env){.sport_base = 40000, .sport_tries = 10};
	b->hop.source = item->v6 ? (struct addr){.hi = 0x20010db800000000ULL, .lo = 1} : addr_v4(0xc6120001);
	if (ops->make_template(&b->env, item->v6 ? ADDR_V6 : ADDR_V4, &b->tmpl))
		return -1;
	for (size_t i = 0; i < TARGETS; i++) {
		uint32_t low = (uint32_t)hash_mix64(i + 1) & 0xffff;

		b->targets[i] = item->v6 ? (struct addr){.hi = 0x20010db800000000ULL, .lo = low}
					 : addr_v4(0xc6130000 | low);
		b->descs[i] = (struct frame_desc){.dst_hi = b->targets[i].hi, .dst_lo = b->targets[i].lo};
		ops->aim(&b->env, &b->targets[i], 443, 1, &b->descs[i]);
		make_answer(b, i);
	}
	return 0;
}

static double measure(struct bench *b, const struct item *item)
{
	double best = 0;

	for (int round = 0; round < ROUNDS; round++) {
		int64_t start = clock_mono_ns();

		for (int i = 0; i < REPETITIONS; i++)
			keep(item->run(b));

		double ns = (double)(clock_mono_ns() - start) / ((double)TARGETS * REPETITIONS);

		if (round == 0 || ns < best)
			best = ns;
	}
	return best;
}

int main(void)
{
	static const struct item items[] = {
		{"frame_build syn v4", TECHNIQUE_TCP_SYN, false, run_build},
		{"frame_build syn v6", TECHNIQUE_TCP_SYN, true, run_build},
		{"frame_build icmp-echo v4", TECHNIQUE_ICMP_ECHO, false, run_build},
		{"packet_parse + probe_classify syn v4", TECHNIQUE_TCP_SYN, false, run_classify},
		{"packet_parse + probe_classify syn v6", TECHNIQUE_TCP_SYN, true, run_classify},
		{"packet_parse + probe_classify icmp-echo v4", TECHNIQUE_ICMP_ECHO, false, run_classify},
		{"probe_cookie v4", TECHNIQUE_TCP_SYN, false, run_cookie},
		{"probe_cookie v6", TECHNIQUE_TCP_SYN, true, run_cookie},
		{"aim syn v4", TECHNIQUE_TCP_SYN, false, run_aim},
	};
	struct bench *b = malloc(sizeof(*b));

	if (!b)
		return 1;
	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
		if (prepare(b, &items[i])) {
			free(b);
			return 1;
		}
		printf("%-44s %6.1f ns\n", items[i].name, measure(b, &items[i]));
	}
	free(b);
	return 0;
}
