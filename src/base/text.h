// Text that came from the network or from people, made safe for terminals and sinks.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Copies `len` bytes of `src` into `dst` (capacity `cap` > 0, always terminated): printable ASCII and valid
// UTF-8 stay, everything else (control bytes, escapes, broken UTF-8, bidi controls) becomes \xNN. Cut at a
// whole unit when it does not fit. Returns the length written.
size_t text_escape(char *dst, size_t cap, const void *src, size_t len);

// Length of the valid UTF-8 sequence at p (1..4), or 0 when it is broken or cut short.
size_t text_utf8_len(const uint8_t *p, size_t left);

// Bounded edit distance (Damerau-Levenshtein) for "did you mean": returns a value above `cap` when it is
// larger.
unsigned text_distance(const char *a, const char *b, unsigned cap);
