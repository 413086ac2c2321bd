// --dry-run: what would be sent, and about how long it would take.
#pragma once

#include "app/plan.h"

int dry_run(const struct plan *p, const struct scan_config *c, const struct settings *s);
