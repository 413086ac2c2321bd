// One entry of the option table: from it come the command line, the config file, --help, the man page and the
// shell completions. Modules bring their own entries; `config/` does the work.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum option_type {
	OPT_FLAG,        // bool: present or not
	OPT_COUNT,       // unsigned: each use (or -vvv) adds one; an attached number sets it (-d3)
	OPT_U64,         // uint64_t in [min, max]
	OPT_DURATION,    // int64_t nanoseconds in [min, max] (min/max in nanoseconds)
	OPT_RATE,        // double frames a second, 0 < x <= max
	OPT_PROBABILITY, // double in (0, 1)
	OPT_STRING,      // const char *, points into argv
	OPT_LIST,        // struct option_list: each use adds one
	OPT_CHOICE,      // unsigned: index into `choices`
	OPT_CUSTOM,      // `parse` gets the text
};

// Every value of an OPT_LIST in order of use; the array is owned by the parser's arena, strings by argv.
struct option_list {
	const char **items;
	size_t count;
};

struct option {
	const char *name;  // with its dashes: "--rate", "-sS", "-p"
	const char *alias; // a second spelling, or NULL
	enum option_type type;
	size_t offset;     // of the value in the module's config struct
	size_t set_offset; // of a bool that becomes true when the option was given; 0 when not wanted
	uint64_t min, max; // range, in the type's unit
	const char *arg;   // the argument's name in help ("PORTS"); NULL for flags and counts
	const char *const *choices;
	const char *group;    // heading in --help and the man page: "TARGETS"
	const char *help;     // one line, no full stop
	const char *detail;   // more for the man page, or NULL
	const char *fallback; // the default, as text for help ("1000 most common"), or NULL
	int (*parse)(void *config, const char *text, struct err_text *e); // OPT_CUSTOM only
};

// A module's entries and the struct they fill.
struct option_set {
	const struct option *options;
	size_t count;
	void *config;
};
