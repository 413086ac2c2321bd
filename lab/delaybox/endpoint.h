#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "path.h"

// One end of a link: a tun device (made here) or a packet socket on an Ethernet interface (which must be
// there).

enum { ENDPOINT_BATCH = 64 };

struct endpoint {
	int fd;
	bool tun;
	uint64_t too_long; // frames that do not fit a slot: segmentation offload is on at the other end
};

// Opens "tun:NAME" or "packet:NAME", with "@PATH" in the network namespace of that file. On failure returns
// -errno after saying on standard error what went wrong.
int endpoint_open(struct endpoint *endpoint, const char *text);

// Reads one batch into the path. Returns how many packets there were (0: none waiting) or -errno.
int endpoint_read(struct endpoint *endpoint, struct path *into, uint64_t now_ns);

// Sends the packets in these slots of the path; what the interface does not take is counted and lost.
void endpoint_write(struct endpoint *endpoint, struct path *from, const uint32_t slots[], uint32_t count);
