// The parts of the option table. Private to app/options*.c.
#pragma once

#include "app/options.h"
#include "config/table.h"

#define COUNT_OF(a) (sizeof(a) / sizeof(*(a)))

struct option_group {
	const struct option *options;
	size_t count;
};

extern const struct option_group options_target, options_ports, options_order, options_scan, options_timing,
	options_output, options_misc;
extern const struct config_about options_about;

#define OPTIONS_SETS 7

// The table over `s`; `sets` is the caller's room and must live as long as the table is used.
struct option_table options_table(struct settings *s, struct option_set sets[OPTIONS_SETS]);

void options_defaults(struct settings *s);

// Fills what was not given from the timing template and keeps the round-trip limits in order.
void options_apply_template(struct timing_settings *t);

// One line for the first contradiction found, ERR_USAGE.
int options_check(const struct settings *s, struct err_text *e) MUST_CHECK;

// Are these the same file, as far as names tell?
bool options_same_file(const char *a, const char *b);
