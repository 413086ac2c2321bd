// The set of positions already reported open: 8 bytes each, capped; answers that come after their window has
// closed are told apart from news by it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seen {
	uint64_t *slots; // position + 1; 0: free
	size_t size, count, cap;
	uint64_t not_kept; // adds refused by the cap
};

void seen_init(struct seen *s, size_t cap);
void seen_free(struct seen *s);
bool seen_has(const struct seen *s, uint64_t position);
// True when it was new.
bool seen_add(struct seen *s, uint64_t position);
