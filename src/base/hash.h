// Keyed and unkeyed hashing.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct hash_key {
	uint8_t bytes[16];
};

// SipHash-2-4 (Aumasson and Bernstein, 2012) through libsodium: cookies and the order's keys.
uint64_t hash_keyed(const struct hash_key *key, const void *data, size_t len);

// A key from a user's seed, one per purpose ("cookie", "order"), or from the kernel when `seed` is NULL.
void hash_key_make(struct hash_key *key, const uint64_t *seed, const char *purpose);

// Fast unkeyed mix for tables whose keys are not chosen by an opponent.
static inline uint64_t hash_mix64(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}
