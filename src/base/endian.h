// Network byte order as its own type, so that the compiler catches a missing swap; unaligned loads and
// stores.
#pragma once

#include <stdint.h>
#include <string.h>

struct be16 {
	uint16_t raw;
};
struct be32 {
	uint32_t raw;
};

static inline struct be16 be16_of(uint16_t host)
{
	return (struct be16){__builtin_bswap16(host)};
}
static inline struct be32 be32_of(uint32_t host)
{
	return (struct be32){__builtin_bswap32(host)};
}
static inline uint16_t be16_host(struct be16 v)
{
	return __builtin_bswap16(v.raw);
}
static inline uint32_t be32_host(struct be32 v)
{
	return __builtin_bswap32(v.raw);
}

// Big-endian reads and writes at any alignment; the caller has checked the bounds.
static inline uint16_t load_be16(const uint8_t *p)
{
	return (uint16_t)((p[0] << 8) | p[1]);
}
static inline uint32_t load_be32(const uint8_t *p)
{
	return ((uint32_t)p[0] << 24) | ((uint32_t)p[1] << 16) | ((uint32_t)p[2] << 8) | p[3];
}
static inline uint64_t load_be64(const uint8_t *p)
{
	return ((uint64_t)load_be32(p) << 32) | load_be32(p + 4);
}
static inline void store_be16(uint8_t *p, uint16_t v)
{
	struct be16 b = be16_of(v);
	memcpy(p, &b, sizeof(b));
}
static inline void store_be32(uint8_t *p, uint32_t v)
{
	struct be32 b = be32_of(v);
	memcpy(p, &b, sizeof(b));
}
static inline void store_be64(uint8_t *p, uint64_t v)
{
	store_be32(p, (uint32_t)(v >> 32));
	store_be32(p + 4, (uint32_t)v);
}
