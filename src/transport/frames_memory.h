// The memory transport: a network in a callback, for tests, fuzzing and dry runs. Each frame sent is handed
// to it at once; the answers it gives come out of recv when their time has come, on a clock that may be
// virtual.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "transport/frames.h"

// One frame as it was sent.
struct frames_memory_frame {
	const uint8_t *data; // from its network header on; valid during the call
	size_t len;
	uint16_t ethertype;
	const struct frame_desc *desc;
	const struct frame_hop *hop;
	int64_t time_ns;
};

// Must live as long as the transport. All of it may be zero: then every frame is swallowed.
struct frames_memory_net {
	// NULL: clock_mono_ns(). Send times and the times of answers are taken from it.
	int64_t (*now)(void *ctx);
	// Gets every frame; may call the functions below. 0, or -errno for a frame that the interface
	// refuses: -ENETDOWN and -ENODEV end the scan, anything else counts as not_taken.
	int (*sent)(void *ctx, struct frames *f, const struct frames_memory_frame *frame);
	void *ctx;
	unsigned room; // send takes at most so many a call (back-pressure); 0: all
};

// An answer (from its network header on, at most 2,048 bytes) that arrives delay_ns from now. -ENOMEM, or
// ERR_RANGE when it is too long.
int frames_memory_answer(struct frames *f, const uint8_t *data, size_t len, uint16_t ethertype,
			 int64_t delay_ns) MUST_CHECK;

// The answer of a TCP port to a frame that holds a probe, over the same IP version: addresses and ports
// turned round, ack = its sequence number + 1, the flags given (TCP_SYN | TCP_ACK, TCP_RST | TCP_ACK …).
// ERR_SYNTAX when the frame is no TCP segment.
int frames_memory_answer_tcp(struct frames *f, const struct frames_memory_frame *frame, uint8_t flags,
			     int64_t delay_ns) MUST_CHECK;

// When the next answer arrives; INT64_MAX when none is under way. A virtual clock jumps there.
int64_t frames_memory_next(const struct frames *f);
