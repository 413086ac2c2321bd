// The command line, read as nmap's users write it.
//
// Options and targets come in any order; "--" ends the options.
//   --name VALUE, --name=VALUE   long names; '_' equals '-', an unambiguous beginning is enough
//   -p80, -p 80, -oX FILE, -T4   single-dash names, matched longest first, value attached or following
//   -v -vv -v3 -d2               counts
//   -max-rate 100                a long name with one dash, when spelled out
// A value that is itself the exact name of an option is refused as missing, except attached or after '='.
// Giving an option twice is an error unless the values agree; lists and counts add up.
#pragma once

#include "config/table.h"

struct config_line;

// Fills the sets' structs, which already hold the defaults. Strings point into argv, which must outlive
// `out`; the arrays of option lists live until config_line_free. On failure *out is NULL and `e` holds one
// line. argv[0] is skipped. ERR_USAGE, ERR_SYNTAX, ERR_RANGE or -ENOMEM.
int config_line_parse(struct config_line **out, const struct option_table *t, int argc, char *const argv[],
		      struct err_text *e) MUST_CHECK;
void config_line_free(struct config_line *c);

// What was neither an option nor its value, in order.
const struct option_list *config_line_targets(const struct config_line *c);
