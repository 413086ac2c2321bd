// What this process may do, found out by trying, and giving up what it does not need any more.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define RIGHTS_NOBODY 65534

// 0 when permitted, else the errno of the try.
struct rights {
	int raw_v4, raw_v6; // raw IP sockets
};

// Raw sockets are opened and closed again. Packet sockets are not tried here: closing one takes 15 ms, so the
// transport that wants one opens and keeps it.
void rights_try(struct rights *r);

// Raises the soft limit on descriptors to the hard one. Returns the limit now in force.
uint64_t rights_raise_fds(void);

struct rights_drop {
	bool keep_user;   // stay who we are, even root
	bool allow_bpf;   // bpf(2) stays possible: for XDP programs that are loaded already
	bool allow_uring; // io_uring_setup(2) stays possible
	bool keep_bind;   // ports below 1024 can still be bound, if they could before
	bool no_filter;   // no system call filter
};

struct rights_dropped {
	bool user;   // now nobody
	bool filter; // false also where the kernel has no seccomp
};

// Gives up, in this order: the supplementary groups, the group, the user (when root: to nobody, unless the
// user namespace has no such user), all capabilities (but what keep_bind needs), gaining rights by execve,
// and system calls that a scanner never needs. Each step is checked; an error names the step that failed, and
// the process should end.
//
// Before it: files, sockets and modules are opened. After it: no other threads may have existed (capabilities
// belong to threads; this is checked), /proc/self is closed to us when the user has changed, sockets can be
// made for IPv4, IPv6 and netlink only.
int rights_give_up(const struct rights_drop *cfg, struct rights_dropped *done, struct err_text *e) MUST_CHECK;
