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
// Ready for reading when there is something to take.
int extras_poll_fd(const struct extras *x);
// Takes what is there, up to a share, and sends what is due. Returns the time until it should be called again
// at the latest, in nanoseconds; negative: when extras_poll_fd is ready.
int64_t extras_serve(struct extras *x);

// Turns an answer into one whose acknowledgement number is another; its checksum stays right. `number`
// chooses which.
void extras_spoil(struct responder_extra *extra, uint64_t number);
