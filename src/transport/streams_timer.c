// A binary heap of deadlines. Only connects that are not answered at once enter it.
#include <errno.h>
#include <stdlib.h>

#include "transport/streams_private.h"

int timer_heap_init(struct timer_heap *h, uint32_t slots)
{
	h->count = 0;
	h->entries = calloc(slots, sizeof(*h->entries));
	h->position = calloc(slots, sizeof(*h->position));
	if (!h->entries || !h->position) {
		timer_heap_free(h);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < slots; i++)
		h->position[i] = TIMER_NONE;
	return 0;
}

void timer_heap_free(struct timer_heap *h)
{
	free(h->entries);
	free(h->position);
	*h = (struct timer_heap){0};
}

static void place(struct timer_heap *h, uint32_t at, struct timer_entry entry)
{
	h->entries[at] = entry;
	h->position[entry.slot] = at;
}

static void sift_up(struct timer_heap *h, uint32_t at, struct timer_entry entry)
{
	while (at > 0) {
		uint32_t parent = (at - 1) / 2;
		if (h->entries[parent].deadline_ns <= entry.deadline_ns)
			break;
		place(h, at, h->entries[parent]);
		at = parent;
	}
	place(h, at, entry);
}

static void sift_down(struct timer_heap *h, uint32_t at, struct timer_entry entry)
{
	for (;;) {
		uint32_t child = 2 * at + 1;
		if (child >= h->count)
			break;
		if (child + 1 < h->count && h->entries[child + 1].deadline_ns < h->entries[child].deadline_ns)
			child++;
		if (h->entries[child].deadline_ns >= entry.deadline_ns)
			break;
		place(h, at, h->entries[child]);
		at = child;
	}
	place(h, at, entry);
}

void timer_heap_add(struct timer_heap *h, uint32_t slot, int64_t deadline_ns)
{
	struct timer_entry entry = {.deadline_ns = deadline_ns, .slot = slot};
	sift_up(h, h->count++, entry);
}

void timer_heap_remove(struct timer_heap *h, uint32_t slot)
{
	uint32_t at = h->position[slot];
	if (at == TIMER_NONE)
		return;
	h->position[slot] = TIMER_NONE;
	struct timer_entry last = h->entries[--h->count];
	if (at == h->count)
		return;
	if (at > 0 && h->entries[(at - 1) / 2].deadline_ns > last.deadline_ns)
		sift_up(h, at, last);
	else
		sift_down(h, at, last);
}

int64_t timer_heap_next(const struct timer_heap *h)
{
	return h->count ? h->entries[0].deadline_ns : INT64_MAX;
}
