// A receive ring (TPACKET_V2) of a packet socket, mapped into our memory: a packet costs no system call and
// carries the time of its arrival. It costs about half a millisecond for each 1,000 slots to set up. A packet
// is cut at about 430 bytes.
#pragma once

#include "base/err.h"
#include "transport/frames.h"

struct packet_ring;

// Before the socket is bound. `slots` is rounded up to a power of two of 2,048 … 32,768: a small ring is set
// up sooner and stays in the cache. It lives as long as the mapping or the socket, whichever is longer.
int packet_ring_open(struct packet_ring **out, int fd, uint64_t slots) MUST_CHECK;
void packet_ring_close(struct packet_ring *r); // may be NULL

// Gives the slots of the last call back to the kernel and takes the next packets (Ethernet only).
unsigned packet_ring_take(struct packet_ring *r, struct frame_reply *out, unsigned max);
