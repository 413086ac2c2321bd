// Texts made from the option table: --help, the manual page, shell completions.
#pragma once

#include "base/buf.h"
#include "config/table.h"

#define CONFIG_HELP_COLUMNS 100

// A section of the manual page. Paragraphs of the body are separated by '\n'; lines that start with a tab are
// shown as they are.
struct config_section {
	const char *title; // "EXIT STATUS"
	const char *body;
};

// What the table does not know about the program.
struct config_about {
	const char *program; // "prtip"
	const char *version;
	const char *date;    // of the manual page, "July 1, 2025"
	const char *summary; // one line, no full stop
	const char *usage;   // after the program's name: "[options] target ..."
	const char *description;
	const struct config_section *sections; // after the options
	size_t section_count;
	const char *see; // last line of --help, or NULL
};

// Each appends to `b` and returns 0 or the buffer's error.

// Options grouped by heading in the order of the table, at most CONFIG_HELP_COLUMNS wide.
int config_help(struct buf *b, const struct option_table *t, const struct config_about *a) MUST_CHECK;

// The manual page in mdoc(7).
int config_man(struct buf *b, const struct option_table *t, const struct config_about *a) MUST_CHECK;

// Values whose argument name is FILE or BASENAME complete to files, IFACE to network interfaces.
enum config_shell { CONFIG_BASH, CONFIG_ZSH, CONFIG_FISH };
int config_complete(struct buf *b, const struct option_table *t, const char *program,
		    enum config_shell shell) MUST_CHECK;

// Is the i-th option the first of its group?
bool config_group_starts(const struct option_table *t, size_t i);
