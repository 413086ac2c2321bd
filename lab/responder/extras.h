// The answers that the program in the kernel cannot send itself: kept until they are due, then sent by a
// packet socket.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "responder/truth.h"

struct ring_buffer;

struct extras {
	struct ring_buffer *ring;
	int socket;
	struct responder_extra *heap; // the earliest first
	size_t count, capacity;
	uint64_t sent, unsent;
	uint64_t now_ns, taken;
};

// `map` is the ring buffer's descriptor.
int extras_open(struct extras *x, int map, int ifindex, struct err_text *e) MUST_CHECK;
void extras_close(struct extras *x);
// Takes what is there, up to a share, and sends what is due. Returns the time until something else is due, in
// nanoseconds, or INT64_MAX. Nothing tells that there is more to take: a wakeup for each would cost the
// program in the kernel more than its answers do.
int64_t extras_serve(struct extras *x);

// Turns an answer into one whose acknowledgement number is another; its checksum stays right. `number`
// chooses which.
void extras_spoil(struct responder_extra *extra, uint64_t number);
