// The kernel's table of connections: when it is full, packets of everybody on this host are dropped.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define CONNTRACK_DIR "/proc/sys/net/netfilter"

struct conntrack {
	bool present; // false: no connection tracking here, or it does not tell
	uint64_t count, max;
};

// From nf_conntrack_count and nf_conntrack_max in `dir` (CONNTRACK_DIR).
void conntrack_read(struct conntrack *ct, const char *dir);

// Would this many new connections fill it? Then a warning that says what to do is put into `e`. Entries of
// unanswered SYNs live for two minutes, so every probe of a scan of that length counts.
bool conntrack_overflows(const struct conntrack *ct, uint64_t connections, struct err_text *e);
