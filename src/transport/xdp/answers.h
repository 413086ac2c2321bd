// User space's end of the rings in which the receiver's records lie, mapped: a record costs no system call
// and no copy.
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "transport/frames.h"

struct receiver_bpf;
struct answers;

// Sizes the rings, one for each CPU, of a receiver that is not loaded yet.
int answers_size(struct receiver_bpf *b) MUST_CHECK;
// `b`, loaded, must outlive it.
int answers_open(struct answers **out, struct receiver_bpf *b) MUST_CHECK;
void answers_close(struct answers *a); // may be NULL

// Gives the records of the last call back and takes the next ones; those of one CPU in the order in which
// they came.
unsigned answers_take(struct answers *a, struct frame_reply *out, unsigned max);
// More than half of a ring is in use: user space is behind.
bool answers_behind(const struct answers *a);
// The caller is about to wait for records: what is returned is readable when there are some.
int answers_fd(struct answers *a);
