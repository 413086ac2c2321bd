#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "fate.h"

// One direction of a link: packets that are under way, each in a slot until it is due.

enum { PATH_SLOT_BYTES = 2048 };

// Written by the thread that carries the packets, read by any.
struct path_counts {
	_Atomic uint64_t came, lost, queue_full, no_slot, went, refused;
	_Atomic uint64_t
		too_long; // frames that do not fit a slot: the other end leaves segmentation to its card
	_Atomic uint64_t under_way;
};

// There is but one writer.
static inline void count_add(_Atomic uint64_t *count, uint64_t more)
{
	atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + more,
			      memory_order_relaxed);
}

struct path {
	struct fate fate;
	struct path_counts counts;
	uint8_t *slots; // slot_count × PATH_SLOT_BYTES, touched as needed
	uint16_t *length;
	uint32_t *unused; // slots without a packet; the last is the next to take
	uint32_t unused_count, slot_count;
	struct due
		*queue; // packets under way: a heap if they may overtake each other, else a ring from `first`
	uint32_t queue_count, first;
	uint64_t last_due_ns; // keeps the order
	uint64_t free_ns;     // when the bottleneck has sent what waits for it
	uint64_t *departs_ns; // of the last `queue` packets at the bottleneck, in turn
	uint64_t through;
};

struct due {
	uint64_t at_ns;
	uint32_t slot;
};

// Allocates for slot_count packets under way. Returns 0 or -ENOMEM; path_close frees in both cases.
int path_open(struct path *path, const struct fate_params *params, uint32_t slot_count, uint64_t seed);
void path_close(struct path *path);

// The slots that the next packets are read into: the last `count` unused ones. Returns how many there are, at
// most max.
uint32_t path_unused(const struct path *path, uint32_t max, uint32_t slots[]);

// The packets that were read into the first `count` slots of path_unused() enter the path at now_ns.
void path_admit(struct path *path, const uint32_t slots[], const uint16_t lengths[], uint32_t count,
		uint64_t now_ns);

// Takes out at most max packets that are due by now_ns; path_release() makes their slots free again.
uint32_t path_due(struct path *path, uint64_t now_ns, uint32_t max, uint32_t slots[]);
void path_release(struct path *path, const uint32_t slots[], uint32_t count);

// When the next packet is due, UINT64_MAX for never.
uint64_t path_next_ns(const struct path *path);

static inline uint8_t *path_bytes(const struct path *path, uint32_t slot)
{
	return path->slots + (size_t)slot * PATH_SLOT_BYTES;
}
