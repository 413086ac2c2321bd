// One scan's settings and its probes, for tests.
#pragma once

#include <stdint.h>

#include "probe/probe.h"
#include "unit/packet/craft.h"

#define ALL_TECHNIQUES ((1U << TECHNIQUE_COUNT) - 1)

struct sent {
	struct frame_template tmpl;
	struct frame_desc desc;
	uint8_t bytes[FRAME_MAX]; // from the network header on
	size_t len;
};

void probe_test_env(struct probe_env *env);
const struct addr *probe_test_us(enum addr_family family);
const struct addr *probe_test_them(enum addr_family family);
const struct addr *probe_test_router(enum addr_family family);
struct frame_hop probe_test_hop(enum addr_family family);
// Template, aim and frame of one probe to them:443.
void probe_test_send(const struct probe_env *env, enum technique t, enum addr_family family, unsigned try_no,
		     struct sent *out);
