#include "base/num.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

#define DIGITS_MAX 18 // so that a whole part always fits 64 bits
#define E9         1000000000ULL

// A decimal number taken apart: whole + frac / scale, with at most 18 digits each.
struct decimal {
	uint64_t whole, frac, scale;
	bool too_long; // more digits before the point than fit: out of any range
	const char *end;
};

// What people typed, safe and short enough for one line.
struct shown {
	char text[96];
};

static struct shown show(const char *text)
{
	struct shown s;
	text_escape(s.text, sizeof(s.text), text, strlen(text));
	return s;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

// Returns false when the text is no number at all; sets *over when it is one above 64 bits.
static bool read_u64(const char *text, uint64_t *out, bool *over)
{
	unsigned base = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10;
	const char *p = base == 16 ? text + 2 : text;
	uint64_t v = 0;

	*over = false;
	if (!*p)
		return false;
	for (; *p; p++) {
		int digit = hex_value(*p);
		if (digit < 0 || (unsigned)digit >= base)
			return false;
		if (v > (UINT64_MAX - (unsigned)digit) / base)
			*over = true;
		else
			v = v * base + (unsigned)digit;
	}
	*out = v;
	return true;
}

int num_parse_u64(const char *text, uint64_t min, uint64_t max, const char *what, uint64_t *out,
		  struct err_text *e)
{
	uint64_t v;
	bool over;
	bool good = read_u64(text, &v, &over);

	if (good && !over && v >= min && v <= max) {
		*out = v;
		return 0;
	}
	char range[64] = "";
	if (min > 0 && max == UINT64_MAX)
		snprintf(range, sizeof(range), " of %" PRIu64 " or more", min);
	else if (max != UINT64_MAX || over)
		snprintf(range, sizeof(range), " from %" PRIu64 " to %" PRIu64, min, max);
	struct shown s = show(text);
	return err_set(e, good ? ERR_RANGE : ERR_SYNTAX, "%s: \"%s\" is %s; expected a whole number%s", what,
		       s.text, good ? "out of range" : "not a number", range);
}

// Digits, optionally a point and more digits; ".5" is good, "5." and "." are not.
static bool read_decimal(const char *text, struct decimal *d)
{
	const char *p = text;

	*d = (struct decimal){.scale = 1};
	while (*p == '0' && is_digit(p[1]))
		p++;
	for (const char *first = p; is_digit(*p); p++) {
		if (p - first >= DIGITS_MAX)
			d->too_long = true;
		else
			d->whole = d->whole * 10 + (uint64_t)(*p - '0');
	}
	if (*p == '.') {
		if (!is_digit(p[1]))
			return false;
		for (p++; is_digit(*p); p++) {
			if (d->scale >= E9 * E9)
				continue; // finer than anything we measure
			d->frac = d->frac * 10 + (uint64_t)(*p - '0');
			d->scale *= 10;
		}
	} else if (p == text) {
		return false;
	}
	d->end = p;
	return true;
}

static double decimal_double(const struct decimal *d)
{
	return (double)((long double)d->whole + (long double)d->frac / (long double)d->scale);
}

size_t num_duration_text(char *dst, size_t cap, int64_t ns)
{
	static const struct {
		int64_t ns;
		const char *unit;
	} units[] = {{3600 * NS_PER_S, "h"}, {60 * NS_PER_S, "m"}, {NS_PER_S, "s"}, {NS_PER_MS, "ms"}};
	int n = 0;

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (ns >= units[i].ns && ns % units[i].ns == 0) {
			n = snprintf(dst, cap, "%" PRId64 "%s", ns / units[i].ns, units[i].unit);
			return (size_t)n < cap ? (size_t)n : cap - 1;
		}
	}
	if (ns == 0)
		n = snprintf(dst, cap, "0");
	else
		n = snprintf(dst, cap, "%.9gs", (double)ns / 1e9);
	return (size_t)n < cap ? (size_t)n : cap - 1;
}

// The unit's length in nanoseconds, 0 when there is no such unit.
static int64_t duration_unit(const char *unit)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = {{"", NS_PER_S},    {"s", NS_PER_S},      {"ms", NS_PER_MS},
		     {"us", NS_PER_US}, {"m", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S}};

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strcmp(unit, units[i].name) == 0)
			return units[i].ns;
	}
	return 0;
}

int num_parse_duration(const char *text, int64_t min_ns, int64_t max_ns, const char *what, int64_t *out_ns,
		       struct err_text *e)
{
	struct decimal d;
	struct shown s;
	int64_t unit = read_decimal(text, &d) ? duration_unit(d.end) : 0;

	if (unit == 0) {
		s = show(text);
		return err_set(e, ERR_SYNTAX,
			       "%s: \"%s\" is not a time; expected a number with ms, s, m or h, such as "
			       "500ms or 1.5s",
			       what, s.text);
	}
	if (!d.too_long && d.whole < (uint64_t)(INT64_MAX / unit)) {
		// The fraction in parts per 10^9 times the unit in microseconds stays below 2^63.
		uint64_t frac_e9 = d.scale > E9 ? d.frac / (d.scale / E9) : d.frac * (E9 / d.scale);
		int64_t ns = (int64_t)d.whole * unit + (int64_t)(frac_e9 * (uint64_t)(unit / 1000) / 1000000);
		if (ns >= min_ns && ns <= max_ns) {
			*out_ns = ns;
			return 0;
		}
	}
	char low[32], high[32];
	num_duration_text(low, sizeof(low), min_ns);
	num_duration_text(high, sizeof(high), max_ns);
	s = show(text);
	return err_set(e, ERR_RANGE, "%s: \"%s\" is out of range; expected a time from %s to %s", what,
		       s.text, low, high);
}

int num_parse_rate(const char *text, double max_pps, const char *what, double *out_pps, struct err_text *e)
{
	struct decimal d;
	struct shown s;
	double unit = 0;

	if (read_decimal(text, &d)) {
		if (strcmp(d.end, "") == 0)
			unit = 1;
		else if (strcmp(d.end, "k") == 0 || strcmp(d.end, "K") == 0)
			unit = 1e3;
		else if (strcmp(d.end, "M") == 0)
			unit = 1e6;
	}
	if (unit == 0) {
		s = show(text);
		return err_set(
			e, ERR_SYNTAX,
			"%s: \"%s\" is not a rate; expected frames a second, such as 1000, 300k or 1.2M",
			what, s.text);
	}
	double pps = decimal_double(&d) * unit;
	if (d.too_long || !(pps > 0) || pps > max_pps) {
		s = show(text);
		return err_set(e, ERR_RANGE,
			       "%s: \"%s\" is out of range; expected frames a second above 0 and up to %.15g",
			       what, s.text, max_pps);
	}
	*out_pps = pps;
	return 0;
}

int num_parse_probability(const char *text, const char *what, double *out, struct err_text *e)
{
	struct decimal d;
	bool good = read_decimal(text, &d) && !*d.end;

	if (good) {
		double p = decimal_double(&d);
		if (!d.too_long && p > 0 && p < 1) {
			*out = p;
			return 0;
		}
	}
	struct shown s = show(text);
	return err_set(e, good ? ERR_RANGE : ERR_SYNTAX,
		       "%s: \"%s\" is %s; expected a probability between 0 and 1, such as 0.999", what,
		       s.text, good ? "out of range" : "not a number");
}
