// The option table: the entries of all modules, seen as one list.
#pragma once

#include "base/option.h"

struct option_table {
	const struct option_set *sets;
	size_t count;
};

size_t config_option_count(const struct option_table *t);

// The i-th entry over all sets, in table order; `config` (may be NULL) receives the struct it fills.
const struct option *config_option_at(const struct option_table *t, size_t i, void **config);

// Does the entry take a value (flags do not, counts only attached or after '=')?
bool config_takes_value(const struct option *o);

// Is the name one that starts with two dashes?
bool config_is_long(const char *name);

// Faults of the table itself: a name used twice, a missing help, group or argument name, a range upside down.
// Programs need not call it; the unit tests do.
int config_table_check(const struct option_table *t, struct err_text *e) MUST_CHECK;
