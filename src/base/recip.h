// Division by a number that is known beforehand: a multiplication in place of the 20 to 40 cycles of a 64-bit
// division.
#pragma once

#include <assert.h>
#include <stdint.h>

struct recip {
	uint64_t divisor;
	uint64_t inverse; // ⌊(2^64 - 1) / divisor⌋
};

static inline uint64_t recip_multiply_high(uint64_t x, uint64_t y)
{
	return (uint64_t)((__extension__(unsigned __int128) x * y) >> 64);
}

// divisor > 0
static inline struct recip recip_of(uint64_t divisor)
{
	assert(divisor > 0);
	return (struct recip){divisor, UINT64_MAX / divisor};
}

// x / divisor and x % divisor, exact for every x: the inverse is rounded down, which makes the first quotient
// at most one too small.
static inline uint64_t recip_div(const struct recip *r, uint64_t x, uint64_t *rest)
{
	uint64_t quotient = recip_multiply_high(x, r->inverse);

	*rest = x - quotient * r->divisor;
	if (*rest >= r->divisor) {
		*rest -= r->divisor;
		quotient++;
	}
	return quotient;
}
