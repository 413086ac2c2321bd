// Closing a packet socket waits for an RCU grace period: 8-16 ms on the machine this was written on, of a
// scan that takes a few. A second reference in an io_uring's file table moves the wait out of our process:
// when both descriptors are closed, the kernel's own worker drops the last reference and does the waiting.
#pragma once

#include <stdbool.h>

// A new io_uring, to be closed after what it holds; -1 where there is none to be had: then closing merely
// takes its time.
int late_close_open(void);

// Holds a reference to each of the n descriptors (n at least 1; once for each io_uring). False when that is
// not possible.
bool late_close_hold(int hold, const int *fds, unsigned n);
