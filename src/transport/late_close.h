// Closing a packet socket waits for an RCU grace period: 8-16 ms on the machine this was written on, of a
// scan that takes a few. A second reference in an io_uring's file table moves the wait out of our process:
// when both descriptors are closed, the kernel's own worker drops the last reference and does the waiting.
#pragma once

// Holds a reference to `fd` in a new io_uring. Returns its descriptor, to be closed after `fd`, or -1 where
// io_uring is not to be had: then closing merely takes its time.
int late_close_hold(int fd);
