// What holds of every world's result.
#pragma once

#include "unit/scan/world.h"

// The summary's counters fit together (docs/output.md).
void world_check_sums(const struct world_result *r);
