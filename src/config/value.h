// One option's value: from text, compared, stored. Private to config/.
#pragma once

#include "config/table.h"

union config_value {
	bool flag;
	unsigned number; // counts and choices
	uint64_t u64;
	int64_t ns;
	double real;
	const char *string;
};

// Text to value for every type but flags, lists and custom ones; `name` is the spelling used, for errors.
int config_value_parse(const struct option *o, const char *name, const char *text, union config_value *v,
		       struct err_text *e) MUST_CHECK;

// What a value of the option looks like, for an error about a missing one: "a whole number from 1 to 255".
void config_value_expected(const struct option *o, char *out, size_t cap);

bool config_value_equal(const struct option *o, const union config_value *a, const union config_value *b);

void config_value_load(const struct option *o, const void *config, union config_value *v);
void config_value_store(const struct option *o, void *config, const union config_value *v);
