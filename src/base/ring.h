// Single-producer single-consumer ring of fixed-size items, over Concurrency Kit's memory model.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring;

// `slots` is rounded up to a power of two. NULL when memory is short.
struct ring *ring_new(size_t slots, size_t item_bytes);
void ring_free(struct ring *r);

// Copies up to n items in or out; returns how many. Never blocks.
size_t ring_push(struct ring *r, const void *items, size_t n);
size_t ring_pop(struct ring *r, void *items, size_t n);
size_t ring_count(const struct ring *r);
