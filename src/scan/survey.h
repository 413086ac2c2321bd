// What kind of links the targets lie behind.
#pragma once

#include "scan/scan_state.h"

void survey_families(struct scan *s);
void survey_routes(struct scan *s);
// Has the kernel an entry for one of the few on-link targets that it has not confirmed for a while?
int survey_unsure(struct scan *s, bool *any, struct err_text *e) MUST_CHECK;
// Resolves the few on-link targets of a small scan through the kernel; needs rights.
int survey_neighbours(struct scan *s, int64_t timeout_ns, struct err_text *e) MUST_CHECK;
