// A block of source ports for the tries of a scan, outside the kernel's own range for outgoing connections.
#pragma once

#include <stdint.h>

// First port of a block of `count` (1 … 1024), chosen by `random`.
uint16_t source_ports_choose(unsigned count, uint64_t random);
// The choice itself, for tests: lo … hi is the kernel's range.
uint16_t source_ports_within(unsigned count, uint64_t random, unsigned lo, unsigned hi);
