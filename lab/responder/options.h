// The responder's command lines: one table of options for all its commands.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "responder/truth.h"

enum { WORDS_MAX = 2 };

// Which commands know an option; a bit each.
enum command_bit { FOR_RUN = 1, FOR_SET = 2, FOR_STATS = 4, FOR_TRUTH = 8 };

struct prefixes {
	struct responder_prefix4 v4[RESPONDER_PREFIXES];
	struct responder_prefix6 v6[RESPONDER_PREFIXES];
	uint32_t v4_count, v6_count;
};

struct options {
	struct responder_settings settings;
	struct prefixes prefixes;
	bool all;                     // --all: silent and closed positions too
	const char *pass;             // --pass: what was said, or NULL
	const char *words[WORDS_MAX]; // what is no option
	int word_count;
	char **argv; // what options_parse read last, for reading it once more over other settings
};

// What holds when nothing is said: 1 % open, 25 % closed, every host up, nothing lost.
void options_defaults(struct options *o);
// Reads `argv` up to its NULL into `o`, over what is there; `command` is one bit. Prefixes that are given
// replace those that are there.
int options_parse(struct options *o, char **argv, enum command_bit command, struct err_text *e) MUST_CHECK;

// Whether the options agree with each other; the default prefixes where a command has none.
int options_check(struct options *o, enum command_bit command, struct err_text *e) MUST_CHECK;

// An address or a prefix ("198.18.0.0/16", "2001:db8::1"): adds it. Bits behind the prefix do not count.
int prefixes_add(struct prefixes *p, const char *text, struct err_text *e) MUST_CHECK;
// Whether an address (IPv4 in its v4-mapped form) is in one of them.
bool prefixes_have(const struct prefixes *p, uint64_t hi, uint64_t lo);
