// What kind of links the targets lie behind.
#pragma once

#include "scan/scan_state.h"

void survey_families(struct scan *s);
void survey_routes(struct scan *s);
// Resolves the few on-link targets of a small scan through the kernel; needs rights.
int survey_neighbours(struct scan *s, int64_t timeout_ns, struct err_text *e) MUST_CHECK;
