// One thread's way of sending: frames are built side by side and go out in one sendmmsg.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "transport/frames.h"

struct lane_config {
	const struct frames_config *frames; // stays while the lane lives
	bool packet;                        // packet socket: sockaddr_ll, link headers; else raw IP sockets
	int fd_v4, fd_v6;                   // the same one for a packet socket
	int worker_fds[2];                  // packet sockets for sending threads, or -1: fd_v4
};

// Written by the lane's thread alone, read by any.
struct lane_counters {
	_Alignas(64) _Atomic uint64_t handed;
	_Atomic uint64_t not_taken, syscalls;
};

struct send_lane;

struct send_lane *send_lane_new(const struct lane_config *cfg); // NULL when memory is short
void send_lane_free(struct send_lane *l);

unsigned send_lane_room(const struct send_lane *l); // frames that fit before the next flush
void send_lane_put(struct send_lane *l, const struct frame_desc *d, const struct frame_hop *hop);

// Stamps and sends what was put. Frames that are refused are counted. An error is for what will not get
// better; the frames put are gone then too.
int send_lane_flush(struct send_lane *l) MUST_CHECK;

const struct lane_counters *send_lane_counters(const struct send_lane *l);
