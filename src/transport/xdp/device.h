// What an interface can do for XDP, and what it has counted.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"

// Can frames be sent from an XDP program there without harm (faults.h, which logs), and is its receiving side
// free? ERR_UNSUPPORTED with the reason. Linux 6.3 and later say so themselves (netdev family); before, only
// trying tells.
int xdp_device_check(uint32_t ifindex, const struct log *log, struct err_text *e) MUST_CHECK;

// Counters of this network namespace's interfaces, as /proc/net/dev has them. Returns a descriptor that stays
// readable without rights, or -errno.
int xdp_counters_open(void) MUST_CHECK;

struct xdp_device_counts {
	uint64_t sent, refused;
};
// False when there is no such interface (any more).
bool xdp_counters_read(int fd, const char *name, struct xdp_device_counts *out);
