#include "scan/window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int window_init(struct window *w, uint64_t total, uint64_t max_positions)
{
	memset(w, 0, sizeof(*w));
	w->total = total;
	uint64_t want = total < max_positions ? total : max_positions;
	uint32_t slots = 1;
	while ((uint64_t)slots * CHUNK_BITS < want)
		slots *= 2;
	w->slots = slots;
	w->chunks = calloc(slots, sizeof(*w->chunks));
	w->stamps = calloc((size_t)slots * CHUNK_BITS + 1, sizeof(*w->stamps));
	w->before = calloc((size_t)slots * CHUNK_BITS, sizeof(*w->before));
	if (!w->chunks || !w->stamps || !w->before) {
		window_free(w);
		return -ENOMEM;
	}
	return 0;
}

void window_free(struct window *w)
{
	free(w->chunks);
	free((uint32_t *)(uintptr_t)w->stamps); // NOLINT(performance-no-int-to-ptr): sheds _Atomic
	free(w->before);
	memset(w, 0, sizeof(*w));
}

uint64_t window_full_mask(const struct window *w, uint64_t number)
{
	uint64_t left = w->total - number * CHUNK_BITS;
	return left >= CHUNK_BITS ? ~0ULL : (1ULL << left) - 1;
}

struct chunk *window_open(struct window *w)
{
	if (window_exhausted(w) || w->tail - w->head >= w->slots)
		return NULL;
	struct chunk *c = &w->chunks[w->tail & (w->slots - 1)];
	memset(c, 0, sizeof(*c));
	c->todo = window_full_mask(w, w->tail);
	c->done = ~c->todo;
	c->tries = 1;
	c->state = CHUNK_SENDING;
	w->tail++;
	return c;
}

struct chunk *window_chunk(const struct window *w, uint64_t position, uint64_t *mask)
{
	uint64_t number = position / CHUNK_BITS;
	if (number < w->head || number >= w->tail)
		return NULL;
	*mask = 1ULL << (position % CHUNK_BITS);
	return &w->chunks[number & (w->slots - 1)];
}

void window_advance(struct window *w)
{
	while (w->head < w->tail && w->chunks[w->head & (w->slots - 1)].state == CHUNK_FREE)
		w->head++;
}

uint64_t window_number(const struct window *w, const struct chunk *c)
{
	uint64_t ring = (uint64_t)(c - w->chunks);
	uint64_t base = w->head & ~(uint64_t)(w->slots - 1);
	uint64_t n = base | ring;
	return n < w->head ? n + w->slots : n;
}

void chunk_push(struct window *w, struct chunk_queue *q, struct chunk *c)
{
	uint32_t id = (uint32_t)(c - w->chunks) + 1;
	c->next = 0;
	if (q->tail)
		w->chunks[q->tail - 1].next = id;
	else
		q->head = id;
	q->tail = id;
	q->count++;
}

struct chunk *chunk_peek(const struct window *w, const struct chunk_queue *q)
{
	return q->head ? &w->chunks[q->head - 1] : NULL;
}

struct chunk *chunk_after(const struct window *w, const struct chunk *c)
{
	return c->next ? &w->chunks[c->next - 1] : NULL;
}

struct chunk *chunk_pop(struct window *w, struct chunk_queue *q)
{
	struct chunk *c = chunk_peek(w, q);
	if (!c)
		return NULL;
	q->head = c->next;
	if (!q->head)
		q->tail = 0;
	q->count--;
	return c;
}
