// The port side of a plan.
#pragma once

#include "app/plan.h"

// The error of reading a file that an option names. One that cannot be read is bad input like one that says
// nonsense.
int plan_bad_file(const char *option, int err, struct err_text *e);

int plan_ports(struct plan *p, const struct settings *s, struct err_text *e) MUST_CHECK;
