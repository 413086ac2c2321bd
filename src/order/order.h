// The order of the scan: a keyed pseudo-random bijection of 0 … N-1 with random access both ways, then shards
// and samples.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/recip.h"

#define ORDER_ROUNDS 4
#define ORDER_MAX    (1ULL << 63) // largest n

struct order {
	// a × b ≥ n with a ≈ b ≈ √n; see order.c. Public so that it can live inside other structs; use the
	// calls.
	uint64_t n;
	uint64_t a, b;
	struct recip by_b;
	uint64_t keys[2 * ORDER_ROUNDS];
	bool sequential;
};

// n may be 0, and is at most ORDER_MAX. `sequential` gives the identity (-r).
void order_init(struct order *o, uint64_t n, const struct hash_key *key, bool sequential);
// position in the order -> index, and back. Arguments < n.
uint64_t order_at(const struct order *o, uint64_t position);
uint64_t order_position(const struct order *o, uint64_t index);
// The same for several at once, in place: they overlap in the processor.
void order_at_many(const struct order *o, uint64_t *values, unsigned n);

// The slice of positions that this run walks: shard i of n (0-based) takes positions i, i+n, i+2n, …; a
// sample cuts it at max_probes (0: none).
struct order_slice {
	uint64_t first, step, count;
};
struct order_slice order_shard(uint64_t n, uint32_t shard, uint32_t shards, uint64_t max_probes);
