// Fills the lanes' rings and keeps the threads that run the emitting programs.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "transport/frames.h"
#include "transport/xdp/shared.h"

struct bpf_program;
struct emitter_bpf;
struct emitter;

// The program of each lane; they differ in nothing but the lane.
void emitter_programs(const struct emitter_bpf *b, struct bpf_program *out[XDP_LANES]);

struct emitter_config {
	struct emitter_bpf *programs; // loaded; borrowed
	unsigned lanes;               // 1 … XDP_LANES
	unsigned round;               // frames of one round inside the kernel, 1 … 256
	unsigned raw_len;             // bytes of a frame before a program sizes it: no template's length
	frame_stamp *const *stamps;   // as in frames_config
};

// Starts the threads, each bound to a CPU of its own; the caller's thread keeps off those CPUs if there are
// enough.
int emitter_start(struct emitter **out, const struct emitter_config *cfg, struct err_text *e) MUST_CHECK;
// Breaks the calls off that are under way (some milliseconds) and waits for the threads. May be NULL.
void emitter_stop(struct emitter *m);

// How many descriptors find room just now, at most `most`.
unsigned emitter_room(const struct emitter *m, unsigned most);
// Appends descriptors (hop and template are in `where`); `stamps` are their indices into the stamp array.
// Returns how many found room.
unsigned emitter_push(struct emitter *m, const struct xdp_desc *d, const uint32_t *stamps, unsigned n,
		      int64_t now_ns);
// Puts one descriptor into every lane's ring: false when one was full.
bool emitter_push_all(struct emitter *m, const struct xdp_desc *d);

// Stores the send times of what has left since the last call, and lets lanes rest that have had nothing to do
// for a while. Returns 0, or -errno of a thread that had to end.
int emitter_look(struct emitter *m, int64_t now_ns);
bool emitter_idle(const struct emitter *m);
int64_t emitter_waiting_since(const struct emitter *m); // as in frames_ops
uint64_t emitter_sent(const struct emitter *m);         // frames handed to the interfaces so far
uint64_t emitter_calls(const struct emitter *m);        // test-run calls so far
