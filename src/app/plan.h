// From settings to what is scanned: targets, ports, policy.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/options.h"
#include "base/err.h"
#include "base/log.h"
#include "net/names.h"
#include "scan/scan.h"
#include "target/addrset.h"
#include "target/ports.h"

// A name that the user gave and an address that it stands for.
struct asked_name {
	struct addr addr;
	char *name;
};

struct plan {
	struct addrset *targets; // exclusions taken out
	struct asked_name *asked;
	size_t asked_count, asked_cap;
	struct servicedb *services;
	uint16_t *tcp_ports; // by frequency where the table decides, else ascending
	uint32_t tcp_port_count;
	char *ports_text;
	struct portset *ports;
	uint64_t seed;
	uint64_t unresolved; // names that did not resolve
	bool thinned;        // of targets larger than a /8, what is reserved was left out
};

// Looks names up, all at once (net/names.h, names_resolve).
struct plan_resolver {
	void *ctx;
	int (*resolve)(void *ctx, struct names_lookup *lookups, unsigned count, struct err_text *e);
};

// Reads targets, exclusions and ports; names are looked up when all the rest was found good. A name to be
// left out must resolve; of the targets' names at least one must, if there is nothing else. Errors are the
// user's (one line each).
int plan_build(struct plan *p, const struct settings *s, const struct plan_resolver *resolver,
	       const struct log *log, struct err_text *e) MUST_CHECK;
void plan_free(struct plan *p);

// The name asked for an address, or NULL.
const char *plan_asked_name(const struct plan *p, const struct addr *a);

// Refuses sets that are too large, and reserved ranges without --allow-reserved; asks about 2^24 or more
// public addresses.
int plan_check_safety(struct plan *p, const struct settings *s, const struct log *log,
		      struct err_text *e) MUST_CHECK;

// Everything the scan needs to know of the settings.
void plan_scan_config(const struct plan *p, const struct settings *s, bool connect, struct scan_config *out);
