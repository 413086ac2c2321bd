// Finding an option by what was typed. Private to config/.
#pragma once

#include "config/table.h"

#define CONFIG_NONE SIZE_MAX

// The option with exactly this name or alias; in long names '_' equals '-'. `matched` receives the table's
// spelling. CONFIG_NONE when there is none.
size_t config_find_exact(const struct option_table *t, const char *name, size_t len, const char **matched);

// The option whose single-dash name is the longest that `arg` starts with.
size_t config_find_short(const struct option_table *t, const char *arg, const char **matched);

// The one option that has a long name starting with the `len` bytes at `name`. CONFIG_NONE with an error
// text when there is none (the nearest is named) or there are several (all are named).
size_t config_find_prefix(const struct option_table *t, const char *name, size_t len, const char **matched,
			  struct err_text *e);

// The error for an option that does not exist, naming the nearest that does.
int config_unknown(const struct option_table *t, const char *typed, size_t len, struct err_text *e);
