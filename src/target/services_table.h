// How a table of services lies in memory; the built-in one is made by data/gen_services.py.
#pragma once

#include <stdint.h>

#include "target/ports.h"

struct service {
	uint16_t port;
	uint32_t name; // offset into the names
};

// The services of protocol p are services[start[p]] … services[start[p + 1] - 1], by ascending port; ranked[]
// of the same bounds holds their numbers by descending frequency.
struct service_table {
	const struct service *services;
	const uint32_t *ranked;
	const char *names;
	uint32_t start[PROTO_COUNT + 1];
};

extern const struct service_table services_builtin;

// Is `name` matched by `pattern` with * and ?, letter case aside?
bool services_match(const char *pattern, const char *name);
const struct service_table *servicedb_table(const struct servicedb *db);
