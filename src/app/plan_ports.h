// The port side of a plan.
#pragma once

#include "app/plan.h"

int plan_ports(struct plan *p, const struct settings *s, struct err_text *e) MUST_CHECK;
