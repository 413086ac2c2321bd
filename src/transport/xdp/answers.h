// User space's end of the ring buffer in which the receiver's records lie, mapped: a record costs no system
// call and no copy.
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "transport/frames.h"

struct answers;

// `fd` is the map's, `bytes` its size.
int answers_open(struct answers **out, int fd, size_t bytes) MUST_CHECK;
void answers_close(struct answers *a); // may be NULL

// Gives the records of the last call back and takes the next ones.
unsigned answers_take(struct answers *a, struct frame_reply *out, unsigned max);
// The share of the buffer that is in use is over a half: user space is behind.
bool answers_behind(const struct answers *a);
