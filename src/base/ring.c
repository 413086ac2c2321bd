#include "base/ring.h"

#include <ck_pr.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_LINE 64

// Positions only grow; their difference is the fill, so a full ring uses every slot. Each side keeps a copy
// of the other's position and reads the shared line only when the copy says full or empty.
struct ring {
	alignas(CACHE_LINE) uint64_t tail; // written by the producer
	size_t head_seen;
	alignas(CACHE_LINE) uint64_t head; // written by the consumer
	size_t tail_seen;
	alignas(CACHE_LINE) size_t mask;
	size_t item_bytes;
	alignas(CACHE_LINE) uint8_t items[];
};

struct ring *ring_new(size_t slots, size_t item_bytes)
{
	size_t count = 1;

	if (item_bytes == 0 || slots > SIZE_MAX / 4)
		return NULL;
	while (count < slots)
		count *= 2;
	if (count > (SIZE_MAX - sizeof(struct ring) - CACHE_LINE) / item_bytes)
		return NULL;
	size_t bytes =
		(sizeof(struct ring) + count * item_bytes + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
	struct ring *r = aligned_alloc(CACHE_LINE, bytes);
	if (!r)
		return NULL;
	memset(r, 0, sizeof(*r));
	r->mask = count - 1;
	r->item_bytes = item_bytes;
	return r;
}

void ring_free(struct ring *r)
{
	free(r);
}

static size_t part_before_wrap(const struct ring *r, size_t at, size_t n)
{
	size_t left = r->mask + 1 - (at & r->mask);
	return n < left ? n : left;
}

size_t ring_push(struct ring *r, const void *items, size_t n)
{
	const uint8_t *from = items;
	size_t tail = r->tail, slots = r->mask + 1;

	if (slots - (tail - r->head_seen) < n) {
		r->head_seen = ck_pr_load_64(&r->head);
		ck_pr_fence_acquire();
	}
	size_t space = slots - (tail - r->head_seen);
	if (n > space)
		n = space;
	if (n == 0)
		return 0;
	size_t first = part_before_wrap(r, tail, n);
	memcpy(r->items + (tail & r->mask) * r->item_bytes, from, first * r->item_bytes);
	memcpy(r->items, from + first * r->item_bytes, (n - first) * r->item_bytes);
	ck_pr_fence_release();
	ck_pr_store_64(&r->tail, tail + n);
	return n;
}

size_t ring_pop(struct ring *r, void *items, size_t n)
{
	uint8_t *to = items;
	size_t head = r->head;

	if (r->tail_seen - head < n) {
		r->tail_seen = ck_pr_load_64(&r->tail);
		ck_pr_fence_acquire();
	}
	size_t fill = r->tail_seen - head;
	if (n > fill)
		n = fill;
	if (n == 0)
		return 0;
	size_t first = part_before_wrap(r, head, n);
	memcpy(to, r->items + (head & r->mask) * r->item_bytes, first * r->item_bytes);
	memcpy(to + first * r->item_bytes, r->items, (n - first) * r->item_bytes);
	ck_pr_fence_release();
	ck_pr_store_64(&r->head, head + n);
	return n;
}

size_t ring_count(const struct ring *r)
{
	size_t head = ck_pr_load_64(&r->head);
	ck_pr_fence_acquire();
	return ck_pr_load_64(&r->tail) - head;
}
