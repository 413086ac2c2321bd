#include "base/csum.h"

#include <string.h>

// Adding with the carry brought round keeps the value modulo 2^64 - 1, hence modulo 2^16 - 1.
static inline uint64_t add_carry(uint64_t a, uint64_t b)
{
	a += b;
	return a + (a < b);
}

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

uint32_t csum_add(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t a = sum, b = 0;

	// Two chains, so that one addition does not wait for the other's carry.
	for (; len >= 32; len -= 32, p += 32) {
		a = add_carry(a, load64(p));
		b = add_carry(b, load64(p + 8));
		a = add_carry(a, load64(p + 16));
		b = add_carry(b, load64(p + 24));
	}
	for (; len >= 8; len -= 8, p += 8)
		a = add_carry(a, load64(p));
	if (len > 0) {
		uint64_t tail = 0;
		memcpy(&tail, p, len);
		b = add_carry(b, tail);
	}
	a = add_carry(a, b);
	a = (a & 0xffffffff) + (a >> 32);
	return (uint32_t)((a & 0xffffffff) + (a >> 32));
}
