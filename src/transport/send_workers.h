// The sending half of the socket transports: in the caller's thread, or in worker threads that are fed over
// short rings (short, so that a frame's send time stays near the moment the sweep wanted it).
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "transport/frames.h"
#include "transport/send_lane.h"

#define WORKERS_MAX 16

struct sender;

// cfg->frames->send_threads workers (0: none), each on a CPU of its own where there are enough. Signals must
// be blocked by the caller.
int sender_open(struct sender **out, const struct lane_config *cfg, struct err_text *e) MUST_CHECK;

// As send, idle and stats of struct frames_ops.
int sender_send(struct sender *s, const struct frame_desc *d, unsigned n, unsigned *taken) MUST_CHECK;
bool sender_idle(const struct sender *s);
int64_t sender_waiting_since(const struct sender *s);                // as in frames_ops
void sender_stats(const struct sender *s, struct frames_stats *out); // handed, not_taken, syscalls

// Stops and joins the workers; what they had not yet sent is dropped. `s` may be NULL.
void sender_close(struct sender *s);
