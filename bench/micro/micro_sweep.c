// What deciding costs: the sweep, its order and pacing, descriptors, parsing and classifying, without a
// transport. A network in memory answers in virtual time: 1.5 of 100 ports are open, 25 closed, the others
// silent; an interface takes 4 million frames a second. Only our own work is timed, stage by stage and batch
// by batch. Needs root for routes in a namespace of its own; otherwise there is no `queue` stage's route
// lookup.
//
//   micro_sweep               all scenarios
//   micro_sweep NAME [PART]   one; PART 16: a sixteenth of its hosts (for valgrind --tool=callgrind)
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/endian.h"
#include "base/hash.h"
#include "netns.h"
#include "probe/probe.h"
#include "scan/paths.h"
#include "scan/reply.h"
#include "scan/sweep_state.h"
#include "unit/scan/world.h"

#define BATCH         256u
#define FRAME_NS      250
#define PENDING       4096u
#define WINDOW_MAX    (1u << 21) // as the program's
#define OPEN_PERMILLE 15
#define SAYS_PERMILLE 265
#define NOINLINE      __attribute__((noinline))

struct scenario {
	const char *name;
	uint32_t hosts, ports;
	bool v6, on_link;
	uint32_t rtt_us;
};

static const struct scenario scenarios[] = {
	{"v4", 65536, 40, false, false, 100},
	{"v4-onlink", 65536, 40, false, true, 100},
	{"host", 1, 65535, false, false, 100},
	{"v6-list", 1000000, 1, true, false, 100},
};

enum stage { EXPIRE, NEXT, QUEUE, PARSE, ANSWER, STAGES };

static const char *const stage_names[STAGES] = {"expire", "next", "queue", "parse", "answer"};

// An answer on its way.
struct packet {
	int64_t due_ns;
	uint32_t len;
	uint8_t bytes[64];
};

struct bench {
	const struct scenario *sc;
	uint32_t hosts;
	struct probe_env env;
	struct net_table *table;
	struct paths *paths; // NULL: no rights to make routes
	struct addrset *set;
	struct space *space;
	struct order order;
	struct sweep *sweep;
	struct sweep_shot shots[BATCH];
	struct frame_desc descs[BATCH];
	struct sweep_reply replies[BATCH];
	int64_t times_ns[BATCH];
	struct packet pending[PENDING];
	uint64_t in, out; // of `pending`
	int64_t spent[STAGES];
	uint64_t frames, answers, records, silent;
	// Virtual time.
	int64_t start_ns, now_ns, fast_ns, last_first_ns;
	uint64_t ms_frames, slow_ms;
	int64_t ms_start_ns;
};

static void on_record(void *ctx, const struct record *r, uint64_t index)
{
	struct bench *b = ctx;
	b->records += r->state != STATE_UNKNOWN && index < b->hosts;
}

static void on_silent(void *ctx, const struct space_item *item)
{
	struct bench *b = ctx;
	b->silent += item->slot.port != 0;
}

// Route lookups as a scan makes them: a gateway behind a veth pair, or every host on its link.
static bool paths_make(struct bench *b)
{
	struct err_text e;
	struct paths_config cfg = {.has = {true, true}, .max_neighbours = b->sc->on_link ? b->hosts : 0};
	if (net_table_read(&b->table, true, true, NULL, NULL, &e))
		return false;
	cfg.table = b->table;
	if (paths_new(&b->paths, &cfg))
		return false;
	const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
	for (uint32_t i = 0; b->sc->on_link && i < b->hosts; i++) {
		struct addr a;
		addrset_at(b->set, i, &a);
		if (paths_learn(b->paths, &a, mac))
			return false;
	}
	struct addr first;
	uint32_t hop;
	addrset_at(b->set, 0, &first);
	return paths_hop(b->paths, &first, &hop, &e) == 0; // asks for the gateway's link address
}

static void targets_make(struct bench *b)
{
	b->set = addrset_new();
	struct addr first = addr_v4(0xc6130000), last = addr_v4(0xc6130000 + b->hosts - 1);
	if (!b->sc->v6 && addrset_add(b->set, &first, &last))
		abort();
	for (uint32_t i = 0; b->sc->v6 && i < b->hosts; i++) {
		struct addr a = {.hi = 0x20010db800000000ULL | hash_mix64(i + 1) >> 32,
				 .lo = hash_mix64(~(uint64_t)i)};
		if (addrset_add(b->set, &a, &a))
			abort();
	}
	addrset_seal(b->set);
	b->hosts = (uint32_t)addrset_count(b->set);
}

static void bench_make(struct bench *b)
{
	struct err_text e;
	const uint64_t seed = 7;
	struct hash_key key;
	struct sweep_policy p = world_policy();
	p.window_max = WINDOW_MAX;
	struct space_slot *slots = calloc(b->sc->ports, sizeof(*slots));
	targets_make(b);
	for (uint32_t i = 0; slots && i < b->sc->ports; i++)
		slots[i] = (struct space_slot){.port = (uint16_t)(b->sc->ports > 1000 ? i + 1 : 7 + 211 * i),
					       .technique = TECHNIQUE_TCP_SYN};
	if (!slots || space_new(&b->space, b->set, slots, b->sc->ports, &e))
		abort();
	free(slots);
	hash_key_make(&key, &seed, "order");
	hash_key_make(&b->env.cookie_key, &seed, "cookie");
	b->env.sport_base = 61000;
	b->env.sport_tries = (uint8_t)p.max_tries;
	order_init(&b->order, space_count(b->space), &key, false);
	struct order_slice slice = order_shard(space_count(b->space), 0, 1, 0);
	struct sweep_events ev = {.ctx = b, .record = on_record, .silent = on_silent};
	if (sweep_new(&b->sweep, b->space, &b->order, &slice, &p, &ev))
		abort();
	b->start_ns = b->now_ns = b->ms_start_ns = NS_PER_S;
}

static void bench_free(struct bench *b)
{
	sweep_free(b->sweep);
	space_free(b->space);
	addrset_free(b->set);
	paths_free(b->paths);
	net_table_free(b->table);
}

NOINLINE static void stage_expire(struct bench *b)
{
	sweep_expire(b->sweep, b->now_ns);
}

NOINLINE static unsigned stage_next(struct bench *b)
{
	return sweep_next(b->sweep, b->now_ns, b->shots, BATCH);
}

// As frame_io.c's queue_shot.
NOINLINE static void stage_queue(struct bench *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct sweep_shot *s = &b->shots[i];
		const struct addr *dst = &s->item.addr;
		uint32_t hop = 0;
		if (b->paths && i + 12 < n)
			paths_expect(b->paths, &s[12].item.addr);
		if (b->paths && paths_hop(b->paths, dst, &hop, NULL))
			abort();
		struct frame_desc *d = &b->descs[i];
		*d = (struct frame_desc){
			.dst_hi = dst->hi,
			.dst_lo = dst->lo,
			.hop = hop,
			.stamp = s->stamp,
			.tmpl = (uint8_t)(s->item.slot.technique * 2 + !addr_is_v4(dst)),
			.try_no = (uint8_t)s->try_no,
		};
		probe_get((enum technique)s->item.slot.technique)
			->aim(&b->env, dst, s->item.slot.port, s->try_no, d);
	}
}

static bool parse_one(const struct bench *b, const struct packet *p, struct sweep_reply *r)
{
	struct packet_view v;
	struct probe_answer a;
	uint16_t ethertype = b->sc->v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4;
	if (packet_parse(p->bytes, p->len, ethertype, &v) ||
	    probe_classify(&b->env, 1u << TECHNIQUE_TCP_SYN, &v, &a) != PROBE_ANSWER)
		return false;
	sweep_reply_from(r, &a);
	return true;
}

NOINLINE static void stage_parse(struct bench *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!parse_one(b, &b->pending[(b->out + i) % PENDING], &b->replies[i]))
			abort();
}

NOINLINE static void stage_answer(struct bench *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		b->times_ns[i] = b->pending[(b->out + i) % PENDING].due_ns;
	sweep_answers(b->sweep, b->replies, b->times_ns, n);
}

static void tcp_answer(const struct frame_desc *d, bool open, uint8_t *tcp)
{
	memset(tcp, 0, 24);
	store_be16(tcp, d->dport);
	store_be16(tcp + 2, d->sport);
	store_be32(tcp + 8, d->cookie + 1);
	tcp[12] = open ? 0x60 : 0x50;
	tcp[13] = open ? TCP_SYN | TCP_ACK : TCP_RST | TCP_ACK;
	store_be32(tcp + 20, 0x020405b4);
}

// The network: an answer to one frame, or none.
static void simulate(struct bench *b, const struct frame_desc *d)
{
	b->now_ns += FRAME_NS;
	uint32_t us = (uint32_t)(b->now_ns / NS_PER_US);
	atomic_store_explicit(&sweep_stamps(b->sweep)[d->stamp], us, memory_order_relaxed);
	if (d->try_no == 1)
		b->last_first_ns = b->now_ns;
	uint64_t luck = hash_mix64(d->dst_lo << 16 ^ d->dst_hi ^ d->dport) % 1000;
	if (luck >= SAYS_PERMILLE)
		return;
	bool open = luck < OPEN_PERMILLE;
	struct packet *p = &b->pending[b->in++ % PENDING];
	if (b->in - b->out > PENDING)
		abort();
	size_t header = b->sc->v6 ? 40 : 20, tcp = open ? 24 : 20;
	memset(p->bytes, 0, header);
	p->due_ns = b->now_ns + b->sc->rtt_us * NS_PER_US;
	p->len = (uint32_t)(header + tcp);
	p->bytes[0] = b->sc->v6 ? 0x60 : 0x45;
	if (b->sc->v6) {
		store_be16(p->bytes + 4, (uint16_t)tcp);
		p->bytes[6] = IPPROTO_TCP;
		p->bytes[7] = 64;
		store_be64(p->bytes + 8, d->dst_hi);
		store_be64(p->bytes + 16, d->dst_lo);
	} else {
		store_be16(p->bytes + 2, (uint16_t)p->len);
		p->bytes[8] = 64;
		p->bytes[9] = IPPROTO_TCP;
		store_be32(p->bytes + 12, (uint32_t)d->dst_lo);
	}
	tcp_answer(d, open, p->bytes + header);
}

// How long until frames leave as fast as the interface takes them, and for how long they did not afterwards.
static void watch_rate(struct bench *b, unsigned n)
{
	const uint64_t full = NS_PER_MS / FRAME_NS;
	b->ms_frames += n;
	for (; b->now_ns - b->ms_start_ns >= NS_PER_MS; b->ms_start_ns += NS_PER_MS) {
		bool fast = b->ms_frames >= full * 9 / 10;
		if (fast && !b->fast_ns)
			b->fast_ns = b->ms_start_ns;
		b->slow_ms += b->fast_ns && !fast && !window_exhausted(&b->sweep->window);
		b->ms_frames -= b->ms_frames < full ? b->ms_frames : full;
	}
}

static int64_t lap(int64_t *last)
{
	int64_t now = clock_mono_ns(), took = now - *last;
	*last = now;
	return took;
}

static void take_answers(struct bench *b)
{
	sweep_look(b->sweep, b->now_ns);
	for (;;) {
		unsigned n = 0;
		while (n < BATCH && b->out + n < b->in &&
		       b->pending[(b->out + n) % PENDING].due_ns <= b->now_ns)
			n++;
		if (!n)
			break;
		int64_t t = clock_mono_ns();
		stage_parse(b, n);
		b->spent[PARSE] += lap(&t);
		stage_answer(b, n);
		b->spent[ANSWER] += lap(&t);
		b->out += n;
		b->answers += n;
	}
	sweep_seen(b->sweep, b->now_ns);
}

static void run(struct bench *b)
{
	while (!sweep_done(b->sweep, b->now_ns)) {
		take_answers(b);
		int64_t t = clock_mono_ns();
		stage_expire(b);
		b->spent[EXPIRE] += lap(&t);
		unsigned n = stage_next(b);
		b->spent[NEXT] += lap(&t);
		stage_queue(b, n);
		b->spent[QUEUE] += lap(&t);
		for (unsigned i = 0; i < n; i++)
			simulate(b, &b->descs[i]);
		b->frames += n;
		if (!n) {
			int64_t wait = sweep_wait_ns(b->sweep, b->now_ns);
			int64_t due = b->out < b->in ? b->pending[b->out % PENDING].due_ns : INT64_MAX;
			wait = due - b->now_ns < wait ? due - b->now_ns : wait;
			b->now_ns += wait > 0 ? wait : 1000;
		}
		watch_rate(b, n);
	}
}

static double per(int64_t ns, uint64_t n)
{
	return n ? (double)ns / (double)n : 0;
}

static void print_order(const struct bench *b)
{
	uint64_t n = space_count(b->space) < 1000000 ? space_count(b->space) : 1000000, sum = 0;
	int64_t begin = clock_mono_ns();
	for (uint64_t k = 0; k < n; k++) {
		struct space_item item;
		sweep_item(b->sweep, k, &item);
		sum += item.slot.port;
	}
	printf("  order and space: %.1f ns a position (%u)\n", per(clock_mono_ns() - begin, n),
	       (unsigned)(sum & 1));
}

static void report(const struct bench *b)
{
	const struct scan_counters *c = sweep_counters(b->sweep);
	int64_t frame = b->spent[EXPIRE] + b->spent[NEXT] + b->spent[QUEUE],
		answer = b->spent[PARSE] + b->spent[ANSWER];
	printf("%s: %lu frames, %lu answers; %.1f ns a frame, %.1f ns an answer, %.0f ms in all\n",
	       b->sc->name, (unsigned long)b->frames, (unsigned long)b->answers, per(frame, b->frames),
	       per(answer, b->answers), (double)(frame + answer) / 1e6);
	for (int i = 0; i < STAGES; i++)
		printf("  %s %.1f", stage_names[i], per(b->spent[i], i < PARSE ? b->frames : b->answers));
	printf("  (ns)\n  virtual: %.3f s, 4 M/s after %.0f ms, slower later for %lu ms, first tries over "
	       "after %.0f "
	       "ms\n",
	       (double)(b->now_ns - b->start_ns) / 1e9, (double)(b->fast_ns - b->start_ns) / 1e6,
	       (unsigned long)b->slow_ms, (double)(b->last_first_ns - b->start_ns) / 1e6);
	printf("  given up after");
	for (unsigned t = 1; t <= WINDOW_TRIES_MAX; t++)
		if (b->sweep->silent_by_try[t])
			printf(" %u tries: %lu", t, (unsigned long)b->sweep->silent_by_try[t]);
	printf("\n  found: %lu open, %lu closed, %lu silent (%lu and %lu told), rejected %lu\n",
	       (unsigned long)c->open, (unsigned long)c->closed, (unsigned long)c->silent,
	       (unsigned long)b->records, (unsigned long)b->silent, (unsigned long)c->rejected);
}

static bool routes_make(void)
{
	static struct netns_peer peer;
	return netns_enter() && netns_peer_start(&peer, NULL) &&
	       netns_run("ip route add 198.19.0.0/16 via 198.18.0.2 && ip -6 route add 2001:db8::/32 via "
			 "2001:db8::2");
}

static int bench_one(const struct scenario *sc, uint32_t part, bool routes)
{
	struct bench *b = calloc(1, sizeof(*b));
	if (!b)
		return 1;
	b->sc = sc;
	b->hosts = sc->hosts / part ? sc->hosts / part : 1;
	bench_make(b);
	if (routes && !paths_make(b))
		printf("  no paths\n");
	run(b);
	report(b);
	print_order(b);
	fflush(stdout);
	bench_free(b);
	free(b);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long part = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
	bool routes = routes_make(), known = false;
	int r = 0;
	if (!routes)
		fprintf(stderr, "micro_sweep: no namespace (root?): no routes are looked up\n");
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		if (argc > 1 && strcmp(argv[1], scenarios[i].name) != 0)
			continue;
		known = true;
		r |= bench_one(&scenarios[i], part ? (uint32_t)part : 1, routes);
	}
	return known ? r : 2;
}
