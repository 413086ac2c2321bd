// What addrset.c (building) and addrset_index.c (looking up) share.
#pragma once

#include "base/recip.h"
#include "target/addrset.h"

#define ADDRSET_COUNT_MAX ((u128)1 << 127)
#define BLOCK_CLASSES_MAX 8

// Consecutive ranges of the same size: range and offset of an index follow by one division.
struct addrset_run {
	u128 first_index;
	u128 size;
	struct recip by_size; // when the size is below 2^64
	uint32_t first_range;
};

struct addrset {
	struct addr_range *ranges;
	size_t count, size;

	// Built by addrset_seal; before[i] addresses lie in the ranges before i (saturating).
	u128 *before;
	u128 total;
	struct addrset_run *runs;
	size_t run_count;
	// Index → run: the run of index i lies in jump[i >> jump_shift] … jump[(i >> jump_shift) + 1]; NULL
	// when there are few runs or the total needs more than 64 bits.
	uint32_t *jump;
	unsigned jump_shift;
	// Address → range: a hash table of range number + 1 keyed by scope and block; see addrset_index.c.
	// NULL when there are few ranges or many classes.
	uint32_t *blocks;
	size_t block_mask;
	uint8_t classes[BLOCK_CLASSES_MAX];
	unsigned class_count;
	bool all_in_blocks;
};

void addrset_index_build(struct addrset *s);
void addrset_index_free(struct addrset *s);
