#include "unit/scan/world.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "result/record.h"

struct event {
	int64_t at_ns;
	struct sweep_reply reply;
};

struct heap {
	struct event *e;
	size_t n, cap;
};

static void heap_push(struct heap *h, const struct event *e)
{
	if (h->n == h->cap) {
		h->cap = h->cap ? h->cap * 2 : 1024;
		h->e = realloc(h->e, h->cap * sizeof(*h->e));
		if (!h->e)
			abort();
	}
	size_t i = h->n++;
	while (i && h->e[(i - 1) / 2].at_ns > e->at_ns) {
		h->e[i] = h->e[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	h->e[i] = *e;
}

static struct event heap_pop(struct heap *h)
{
	struct event top = h->e[0], last = h->e[--h->n];
	size_t i = 0;
	for (;;) {
		size_t c = 2 * i + 1;
		if (c >= h->n)
			break;
		if (c + 1 < h->n && h->e[c + 1].at_ns < h->e[c].at_ns)
			c++;
		if (h->e[c].at_ns >= last.at_ns)
			break;
		h->e[i] = h->e[c];
		i = c;
	}
	h->e[i] = last;
	return top;
}

struct host_state {
	double reset_tokens, syn_tokens;
	int64_t reset_ns, syn_ns, queue_free_ns;
	bool done;
};

struct run {
	const struct world *w;
	struct world_result *r;
	struct host_state *hosts;
	struct heap heap;
	uint64_t random;
	uint8_t *reported; // a bit per position index
};

static double uniform(struct run *x)
{
	x->random = x->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (double)(x->random >> 11) / 9007199254740992.0;
}

static const struct world_host *host_of(const struct world *w, uint32_t i)
{
	return &w->hosts[w->host_count == 1 ? 0 : i];
}

// A token bucket that is full at the start of the world.
static bool allowed(double *tokens, int64_t *since_ns, double pps, double burst, int64_t now)
{
	if (pps <= 0)
		return true;
	*tokens += (double)(now - *since_ns) / 1e9 * pps;
	*since_ns = now;
	if (*tokens > burst)
		*tokens = burst;
	if (*tokens < 1)
		return false;
	*tokens -= 1;
	return true;
}

// Extra delay in the bottleneck's queue; negative: dropped.
static int64_t queue_delay(const struct world_host *h, struct host_state *st, int64_t now)
{
	if (h->bottle_pps <= 0)
		return 0;
	int64_t service = (int64_t)(1e9 / h->bottle_pps);
	if (st->queue_free_ns < now)
		st->queue_free_ns = now;
	if ((st->queue_free_ns - now) / service >= h->bottle_queue)
		return -1;
	st->queue_free_ns += service;
	return st->queue_free_ns - now;
}

static void probe(struct run *x, const struct sweep_shot *shot, int64_t now)
{
	uint32_t i = (uint32_t)shot->item.addr_index;
	const struct world_host *h = host_of(x->w, i);
	struct host_state *st = &x->hosts[i];
	bool open = h->open_every && shot->item.slot.port % h->open_every == 0;
	int64_t queued = queue_delay(h, st, now);
	int64_t ms = now / NS_PER_MS - 1000;
	bool out = h->outage_ms && ms >= h->outage_from_ms && ms < h->outage_from_ms + h->outage_ms;
	if (out || queued < 0 || uniform(x) < h->loss)
		return;
	if (!allowed(&st->syn_tokens, &st->syn_ns, h->syn_pps, h->syn_burst, now))
		return;
	if (!open && (h->silent || !allowed(&st->reset_tokens, &st->reset_ns, h->reset_pps, 5, now)))
		return;
	struct event e = {
		.at_ns = now + queued + (int64_t)h->rtt_us * 1000 +
			 (int64_t)(uniform(x) * h->jitter_us * 1000),
		.reply = {.target = shot->item.addr,
			  .port = shot->item.slot.port,
			  .try_no = (uint8_t)shot->try_no,
			  .state = open ? STATE_OPEN : STATE_CLOSED,
			  .reason = open ? REASON_SYN_ACK : REASON_RESET},
	};
	heap_push(&x->heap, &e);
	if (x->w->repeat_answers) {
		e.at_ns += 3 * NS_PER_MS;
		heap_push(&x->heap, &e);
	}
}

static void on_record(void *ctx, const struct record *r, uint64_t index)
{
	struct run *x = ctx;
	uint64_t bit = index * x->w->ports + r->port - 1;
	const struct world_host *h = host_of(x->w, (uint32_t)index);
	bool open = h->open_every && r->port % h->open_every == 0;
	x->r->records++;
	x->r->after_done += x->hosts[index].done;
	if (x->reported[bit / 8] >> (bit % 8) & 1)
		x->r->duplicates++;
	x->reported[bit / 8] |= (uint8_t)(1u << (bit % 8));
	if (r->state == STATE_OPEN) {
		x->r->open_found++;
		if (!open)
			x->r->false_open++;
	} else {
		x->r->closed++;
	}
}

static void on_silent(void *ctx, const struct space_item *item)
{
	struct run *x = ctx;
	(void)item;
	x->r->silent++;
}

static void on_host_vanished(void *ctx, const struct addr *a, uint64_t index)
{
	struct run *x = ctx;
	(void)a;
	(void)index;
	x->r->hosts_vanished++;
}

static void on_host_done(void *ctx, const struct addr *a, uint64_t index)
{
	struct run *x = ctx;
	(void)a;
	x->r->hosts_done++;
	x->hosts[index].done = true;
}

static void stamp(struct sweep *s, const struct sweep_shot *shot, int64_t now)
{
	uint32_t us = (uint32_t)(now / 1000);
	sweep_stamps(s)[shot->stamp] = us ? us : 1;
}

static void take_answers(struct run *x, struct sweep *s, int64_t now)
{
	struct sweep_reply replies[100];
	int64_t times[100];
	unsigned n = 0;
	while (x->heap.n && x->heap.e[0].at_ns <= now) {
		replies[n] = heap_pop(&x->heap).reply;
		times[n++] = now;
		if (x->w->one_by_one)
			sweep_answer(s, &replies[--n], now);
		if (n == 100) {
			sweep_answers(s, replies, times, n);
			n = 0;
		}
	}
	sweep_answers(s, replies, times, n);
}

static void drive(struct run *x, struct sweep *s, int64_t frame_ns)
{
	const int64_t start = NS_PER_S;
	int64_t now = start;
	struct sweep_shot shots[64];
	int64_t end = start + (x->w->stop_after_ms ? x->w->stop_after_ms * NS_PER_MS : 600 * NS_PER_S);
	while (!sweep_done(s, now) && now < end) {
		sweep_look(s, now);
		take_answers(x, s, now);
		sweep_seen(s, now);
		unsigned n = sweep_next(s, now, shots, 64);
		for (unsigned i = 0; i < n; i++) {
			now += frame_ns;
			stamp(s, &shots[i], now);
			probe(x, &shots[i], now);
		}
		x->r->frames += n;
		if (n)
			continue;
		int64_t wait = sweep_wait_ns(s, now);
		if (x->heap.n && x->heap.e[0].at_ns - now < wait)
			wait = x->heap.e[0].at_ns - now;
		now += wait > 0 ? wait : 1000;
	}
	x->r->elapsed_ns = now - start;
}

static uint64_t open_there(const struct world *w)
{
	uint64_t n = 0;
	for (uint32_t i = 0; i < w->addresses; i++)
		n += host_of(w, i)->open_every ? w->ports / host_of(w, i)->open_every : 0;
	return n;
}

void world_run(const struct world *w, int64_t frame_ns, struct world_result *r)
{
	memset(r, 0, sizeof(*r));
	struct run x = {.w = w, .r = r, .random = w->seed * 2 + 1};
	x.hosts = calloc(w->addresses, sizeof(*x.hosts));
	x.reported = calloc((size_t)w->addresses * w->ports / 8 + 1, 1);
	struct addrset *set = addrset_new();
	struct addr first = addr_v4(0xc6120000), last = addr_v4(0xc6120000 + w->addresses - 1);
	struct space_slot *slots = calloc(w->ports, sizeof(*slots));
	struct space *space;
	struct sweep *s;
	struct order order;
	struct hash_key key;
	struct err_text e;
	if (!x.hosts || !x.reported || !slots || addrset_add(set, &first, &last))
		abort();
	addrset_seal(set);
	for (uint32_t i = 0; i < w->ports; i++)
		slots[i].port = (uint16_t)(i + 1);
	if (space_new(&space, set, slots, w->ports, &e))
		abort();
	hash_key_make(&key, &w->seed, "order");
	order_init(&order, space_count(space), &key, w->policy.sequential);
	struct order_slice slice = w->slice.count ? w->slice : order_shard(space_count(space), 0, 1, 0);
	struct sweep_events ev = {.ctx = &x,
				  .record = on_record,
				  .silent = on_silent,
				  .host_vanished = on_host_vanished,
				  .host_done = on_host_done};
	if (sweep_new(&s, space, &order, &slice, &w->policy, &ev))
		abort();
	drive(&x, s, frame_ns);
	sweep_rest_over(s);
	sweep_summarise(s, &r->sum);
	r->open_missed = open_there(w) - (r->open_found - r->false_open);
	sweep_free(s);
	space_free(space);
	addrset_free(set);
	free(slots);
	free(x.hosts);
	free(x.reported);
	free(x.heap.e);
}

struct sweep_policy world_policy(void)
{
	return (struct sweep_policy){
		.confidence = 0.9999,
		.max_tries = 11,
		.rtt = {.min_ns = 100 * NS_PER_MS, .max_ns = 10 * NS_PER_S, .initial_ns = NS_PER_S},
		.host_silent_pps = 5000,
		.start_pps = 50000,
		.wait_ns = -1,
		.window_max = 1u << 20,
	};
}

struct world world_of(const struct world_host *host, uint32_t addresses, uint32_t ports, uint64_t seed)
{
	return (struct world){.hosts = host,
			      .host_count = 1,
			      .addresses = addresses,
			      .ports = ports,
			      .seed = seed,
			      .policy = world_policy()};
}
