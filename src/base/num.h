// Numbers from people, parsed whole: "80abc" is an error that shows the text and what was expected.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

// Decimal or 0x-hexadecimal unsigned number within [min, max]. `what` names it in the error ("port").
int num_parse_u64(const char *text, uint64_t min, uint64_t max, const char *what, uint64_t *out,
		  struct err_text *e) MUST_CHECK;

// nmap's durations: "5" and "5s" are seconds, "10ms", "3m", "2h"; decimals are allowed ("0.5s"). Nanoseconds
// out.
int num_parse_duration(const char *text, int64_t min_ns, int64_t max_ns, const char *what, int64_t *out_ns,
		       struct err_text *e) MUST_CHECK;

// Rates in frames a second: "1000", "2.5", "300k", "1.2M". Must be above 0.
int num_parse_rate(const char *text, double max_pps, const char *what, double *out_pps,
		   struct err_text *e) MUST_CHECK;

// A probability in (0, 1), as in "0.9999".
int num_parse_probability(const char *text, const char *what, double *out, struct err_text *e) MUST_CHECK;

// Writes a duration as num_parse_duration reads it ("500ms", "2m"); returns the length written.
size_t num_duration_text(char *dst, size_t cap, int64_t ns);
