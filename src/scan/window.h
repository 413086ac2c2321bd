// The window of a sweep: consecutive positions of the order in chunks of 64, with one bit per question and
// two send times per position. Fixed memory, no I/O, no clock of its own.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define CHUNK_BITS       64
#define WINDOW_TRIES_MAX 101 // --max-retries 100

enum chunk_state {
	CHUNK_FREE,
	CHUNK_SENDING,  // `todo` holds what is to be sent in this try
	CHUNK_DEFERRED, // the rest of `todo` waits for its hosts' turn
	CHUNK_WAITING,  // all sent: waits for answers or the timeout
};

struct chunk {
	uint64_t todo;    // to be sent in this try
	uint64_t done;    // answered, given up or skipped
	uint64_t given;   // given up in silence, and still not answered
	uint64_t first;   // answered on the first try
	uint64_t second;  // answered on the second
	uint64_t pending; // connections in flight (stream sweeps only)
	int64_t sent_ns;  // when the last frame of this try left
	uint32_t next;    // in its queue
	uint8_t tries;    // number of the current try, from 1
	uint8_t futile;   // of these went to limited hosts faster than they may have taken them
	uint8_t state;    // enum chunk_state
	bool counted : 1; // its answers are in the loss estimate
	bool sampled : 1; // only a sample of its silent positions was sent again
};

// A FIFO of chunks through `next`.
struct chunk_queue {
	uint32_t head, tail; // ring index + 1; 0: empty
	uint32_t count;
};

struct window {
	struct chunk *chunks;
	_Atomic uint32_t *stamps; // microsecond clock of the last try, one per position and a spare one: when
				  // it really left
	// After the first try: when that was handed over. After a later one: when the try before really left.
	uint32_t *before;
	uint64_t total;      // positions in all
	uint64_t head, tail; // chunk numbers: [head, tail) are open
	uint32_t slots;      // ring size, a power of two
};

// `total` positions; at most max_positions of them open at a time.
int window_init(struct window *w, uint64_t total, uint64_t max_positions) MUST_CHECK;
void window_free(struct window *w);

// Opens the next chunk with all its positions to be sent; NULL when the window is full or everything was
// opened.
struct chunk *window_open(struct window *w);
// The chunk of a position, or NULL when it is not open. *mask gets its bit.
struct chunk *window_chunk(const struct window *w, uint64_t position, uint64_t *mask);
// Releases finished chunks at the head.
void window_advance(struct window *w);

static inline bool window_exhausted(const struct window *w)
{
	return w->tail * CHUNK_BITS >= w->total;
}
static inline bool window_finished(const struct window *w)
{
	return window_exhausted(w) && w->head == w->tail;
}
// Number of a chunk in the sweep, from its place in the ring.
uint64_t window_number(const struct window *w, const struct chunk *c);
// Which of a chunk's 64 positions exist.
uint64_t window_full_mask(const struct window *w, uint64_t number);
static inline uint32_t window_stamp(const struct window *w, uint64_t position)
{
	return (uint32_t)(position & ((uint64_t)w->slots * CHUNK_BITS - 1));
}

// A stamp that belongs to no position.
static inline uint32_t window_spare_stamp(const struct window *w)
{
	return (uint32_t)((uint64_t)w->slots * CHUNK_BITS);
}

void chunk_push(struct window *w, struct chunk_queue *q, struct chunk *c);
struct chunk *chunk_peek(const struct window *w, const struct chunk_queue *q);
// The one behind it in its queue.
struct chunk *chunk_after(const struct window *w, const struct chunk *c);
struct chunk *chunk_pop(struct window *w, struct chunk_queue *q);
