#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "path.h"

// One end of a link: a tun device (made here) or a packet socket on an Ethernet interface (which must be
// there).

enum { ENDPOINT_BATCH = 64 };

// One thread reads and another writes: a packet socket for each; a tun device has but one descriptor, in
// both.
struct endpoint {
	int in_fd, out_fd;
	bool tun;
};

// Opens "tun:NAME" or "packet:NAME", with "@PATH" in the network namespace of that file. On failure returns
// -errno after saying on standard error what went wrong.
int endpoint_open(struct endpoint *endpoint, const char *text);
void endpoint_close(struct endpoint *endpoint);

// Reads one batch into the path. Returns how many packets there were (0: none waiting) or -errno.
int endpoint_read(const struct endpoint *endpoint, struct path *into, uint64_t now_ns);

// Sends the packets in these slots of the path; what the interface does not take is counted and lost.
void endpoint_write(const struct endpoint *endpoint, struct path *from, const uint32_t slots[],
		    uint32_t count);
