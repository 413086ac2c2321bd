// Hosts and nets of a sweep, and who of them is done.
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "scan/sweep_check.h"
#include "scan/sweep_doubt.h"

#define PAGE       4096
#define MANY_HOSTS 16384

// Zeroed, at the start of a cache line; *memory is what is to be freed. Untouched pages of it cost nothing.
static void *lines(size_t bytes, void **memory)
{
	uintptr_t p = (uintptr_t)(*memory = calloc(1, bytes + CACHE_LINE));
	// NOLINTNEXTLINE(performance-no-int-to-ptr)
	return p ? (void *)((p + CACHE_LINE - 1) & ~(uintptr_t)(CACHE_LINE - 1)) : NULL;
}

// A page that is first read and then written is mapped twice, and that stops the other CPUs each time: of a
// large sweep, where every page will be used, they are written at once.
static void touch(void *memory, size_t bytes)
{
	for (size_t at = 0; memory && at < bytes; at += PAGE)
		*(volatile char *)((char *)memory + at) = 0;
}

int sweep_hosts_init(struct sweep *s, uint64_t addresses)
{
	s->dense = addresses <= HOST_SLOTS;
	s->host_slots = s->dense ? (addresses ? (uint32_t)addresses : 1) : HOST_SLOTS;
	s->hosts = lines(s->host_slots * sizeof(*s->hosts), &s->hosts_memory);
	s->nets = calloc(NET_SLOTS, sizeof(*s->nets));
	if (s->host_slots >= MANY_HOSTS) {
		touch(s->hosts, s->host_slots * sizeof(*s->hosts));
		touch(s->nets, NET_SLOTS * sizeof(*s->nets));
	}
	return s->hosts && s->nets ? sweep_doubts_init(s) : -ENOMEM;
}

void sweep_hosts_free(struct sweep *s)
{
	free(s->hosts_memory);
	free(s->nets);
	sweep_doubts_free(s);
	sweep_checks_free(s);
}

unsigned sweep_items(const struct sweep *s, uint64_t base, uint64_t mask, struct space_item *items)
{
	uint64_t at[CHUNK_BITS];
	unsigned n = 0;
	for (; mask; mask &= mask - 1)
		at[n++] = sweep_order_position(s, base + (unsigned)__builtin_ctzll(mask));
	order_at_many(s->order, at, n);
	space_at_many(s->space, at, n, items);
	return n;
}

static uint32_t millis(int64_t ns)
{
	return (uint32_t)(ns / NS_PER_MS);
}

// In a dense sweep a host's slot is its address.
static void host_rests(struct sweep *s, struct sweep_host *h)
{
	uint32_t place = (uint32_t)(h - s->hosts) + 1;
	h->finished_ms = millis(s->now_ns);
	if (s->resting_tail)
		s->hosts[s->resting_tail - 1].resting_next = place;
	else
		s->resting_head = place;
	s->resting_tail = place;
}

static void wake_first(struct sweep *s)
{
	uint32_t slot = s->resting_head - 1;
	struct space_item item;
	s->resting_head = s->hosts[slot].resting_next;
	if (!s->resting_head)
		s->resting_tail = 0;
	space_at(s->space, (uint64_t)slot * space_slot_count(s->space), &item);
	s->events.host_done(s->events.ctx, &item.addr, slot);
}

void sweep_rest_over(struct sweep *s)
{
	while (s->resting_head)
		wake_first(s);
}

void sweep_wake_hosts(struct sweep *s)
{
	int64_t rest = s->resting_head ? sweep_cool_down_ns(s) : 0;
	while (s->resting_head &&
	       (millis(s->now_ns) - s->hosts[s->resting_head - 1].finished_ms) * NS_PER_MS > rest)
		wake_first(s);
}

void sweep_finish(struct sweep *s, struct sweep_host *h, const struct addr *a, uint64_t addr_index)
{
	s->c.positions_done++;
	if (!s->dense || !s->events.host_done)
		return;
	if (!h->left || --h->left)
		return;
	if (h->given_up && !s->policy.stream)
		host_rests(s, h);
	else
		s->events.host_done(s->events.ctx, a, addr_index);
}
