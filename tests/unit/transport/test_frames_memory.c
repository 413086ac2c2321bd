// The memory transport on a virtual clock.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "packet/parse.h"
#include "probe/probe.h"
#include "transport/frames_memory.h"

struct world {
	int64_t now;
	unsigned frames;
	int verdict;
	int64_t delay;
	uint8_t flags; // of the answer; 0: silence
	unsigned copies;
	size_t traced[2];
};

static int64_t world_now(void *ctx)
{
	return ((struct world *)ctx)->now;
}

static int world_sent(void *ctx, struct frames *f, const struct frames_memory_frame *frame)
{
	struct world *w = ctx;
	struct packet_view v;
	w->frames++;
	assert_int_equal(packet_parse(frame->data, frame->len, frame->ethertype, &v), 0);
	assert_int_equal(v.kind, PACKET_TCP);
	assert_int_equal(v.dport, frame->desc->dport);
	if (w->verdict)
		return w->verdict;
	for (unsigned i = 0; w->flags && i < w->copies; i++)
		assert_int_equal(frames_memory_answer_tcp(f, frame, w->flags, w->delay * (i + 1)), 0);
	return 0;
}

static void world_trace(void *ctx, bool sent, const uint8_t *data, size_t len, uint16_t ethertype)
{
	struct packet_view v;
	((struct world *)ctx)->traced[sent]++;
	assert_int_equal(packet_parse(data, len, ethertype, &v), 0);
}

struct setup {
	struct world world;
	struct probe_env env;
	struct frame_template templates[TEMPLATES_MAX];
	struct frame_hop hops[2];
	const struct frame_hop *hop_table;
	frame_stamp stamps[8];
	frame_stamp *stamp_table;
	struct frames_memory_net net;
	struct frames_config cfg;
	struct frame_desc desc[2];
};

// One IPv4 and one IPv6 SYN.
static void setup_make(struct setup *s)
{
	memset(s, 0, sizeof(*s));
	const struct probe_ops *p = probe_get(TECHNIQUE_TCP_SYN);
	s->env = (struct probe_env){.sport_base = 50000, .sport_tries = 10};
	assert_int_equal(p->make_template(&s->env, ADDR_V4, &s->templates[0]), 0);
	assert_int_equal(p->make_template(&s->env, ADDR_V6, &s->templates[1]), 0);
	s->hops[0].source = addr_v4(0xc6120001);
	s->hops[1].source = (struct addr){.hi = 0x20010db800000000, .lo = 1};
	const struct addr dst[2] = {addr_v4(0xc6120002), {.hi = 0x20010db800000000, .lo = 2}};
	for (unsigned i = 0; i < 2; i++) {
		s->desc[i] = (struct frame_desc){.dst_hi = dst[i].hi,
						 .dst_lo = dst[i].lo,
						 .hop = i,
						 .tmpl = (uint8_t)i,
						 .stamp = 3 + i,
						 .try_no = 1};
		p->aim(&s->env, &dst[i], 443, 1, &s->desc[i]);
	}
	s->hop_table = s->hops;
	s->stamp_table = s->stamps;
	s->net = (struct frames_memory_net){.now = world_now, .sent = world_sent, .ctx = &s->world};
	s->world = (struct world){.now = 5000000, .flags = TCP_SYN | TCP_ACK, .delay = 1000000, .copies = 1};
	s->cfg = (struct frames_config){.templates = s->templates,
					.hops = &s->hop_table,
					.stamps = &s->stamp_table,
					.batch = 16,
					.trace = world_trace,
					.trace_ctx = &s->world,
					.memory = &s->net};
}

static void test_answers(void **state)
{
	(void)state;
	struct setup s;
	struct frames *f;
	struct frame_reply r[4];
	unsigned taken;
	setup_make(&s);
	s.world.copies = 2;
	const struct frames_ops *ops = frames_find("memory");
	assert_ptr_equal(ops, &frames_memory);
	assert_int_equal(ops->open(&f, &s.cfg, NULL), 0);
	assert_int_equal(frames_memory_next(f), INT64_MAX);
	assert_int_equal(ops->send(f, s.desc, 2, &taken), 0);
	assert_int_equal(taken, 2);
	assert_int_equal(s.stamps[3], 5000);
	assert_int_equal(s.stamps[4], 5000);
	assert_int_equal(frames_memory_next(f), 6000000);
	assert_int_equal(ops->recv(f, r, 4), 0); // none yet
	s.world.now = 6000000;
	assert_int_equal(ops->recv(f, r, 4), 2);
	for (int i = 0; i < 2; i++) {
		struct packet_view v;
		struct probe_answer a;
		assert_int_equal(packet_parse(r[i].data, r[i].len, r[i].ethertype, &v), 0);
		assert_int_equal(probe_get(TECHNIQUE_TCP_SYN)->classify(&s.env, &v, &a), PROBE_ANSWER);
		assert_int_equal(a.port, 443);
		assert_int_equal(a.state, STATE_OPEN);
		assert_int_equal(r[i].time_ns, 6000000);
	}
	s.world.now = 9000000;
	assert_int_equal(ops->recv(f, r, 1), 1);
	assert_int_equal(r[0].time_ns, 7000000);
	struct frames_stats stats;
	ops->stats(f, &stats);
	assert_int_equal(stats.handed, 2);
	assert_int_equal(stats.received, 3);
	assert_int_equal(s.world.traced[0], 3);
	assert_int_equal(s.world.traced[1], 2);
	assert_int_equal(ops->close(f), 0); // one answer is still under way
}

static void test_refusals(void **state)
{
	(void)state;
	struct setup s;
	struct frames *f;
	unsigned taken;
	struct frames_stats stats;
	setup_make(&s);
	s.net.room = 1;
	assert_int_equal(frames_memory.open(&f, &s.cfg, NULL), 0);
	s.world.verdict = -ENOBUFS;
	assert_int_equal(frames_memory.send(f, s.desc, 2, &taken), 0);
	assert_int_equal(taken, 1);
	s.world.verdict = -ENODEV;
	assert_int_equal(frames_memory.send(f, s.desc, 2, &taken), -ENODEV);
	frames_memory.stats(f, &stats);
	assert_int_equal(stats.not_taken, 2);
	assert_int_equal(stats.handed, 0);
	static const uint8_t big[2049];
	assert_int_equal(frames_memory_answer(f, big, sizeof(big), ETHERTYPE_IPV4, 0), ERR_RANGE);
	frames_memory.close(f);
}

// Many answers with mixed delays come out in order.
static void test_order(void **state)
{
	(void)state;
	struct setup s;
	struct frames *f;
	struct frame_reply r[64];
	setup_make(&s);
	s.cfg.trace = NULL;
	assert_int_equal(frames_memory.open(&f, &s.cfg, NULL), 0);
	for (uint32_t i = 0; i < 500; i++) {
		uint8_t byte = (uint8_t)(i * 167 % 251);
		assert_int_equal(frames_memory_answer(f, &byte, 1, ETHERTYPE_IPV4, byte * 1000), 0);
	}
	s.world.now += 1000000;
	int64_t last = 0;
	unsigned n = 0;
	for (int got; (got = frames_memory.recv(f, r, 64)) > 0; n += (unsigned)got) {
		for (int i = 0; i < got; i++) {
			assert_true(r[i].time_ns >= last);
			assert_int_equal(r[i].time_ns, 5000000 + r[i].data[0] * 1000);
			last = r[i].time_ns;
		}
	}
	assert_int_equal(n, 500);
	frames_memory.close(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
