// Internet checksum (RFC 1071) in 32-bit partial sums that can be combined.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Adds `len` bytes (even offset in the packet; a final odd byte is padded with zero) to a partial sum.
// Words are summed as they lie in memory, so the folded result is stored without a swap.
uint32_t csum_add(uint32_t sum, const void *data, size_t len);

// Folds and complements.
static inline uint16_t csum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}
