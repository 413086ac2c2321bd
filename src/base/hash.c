#include "base/hash.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

// crypto_shorthash has one implementation, so it needs no sodium_init (which would open /dev/urandom, probe
// the processor and cost a start-up dozens of system calls).
#include <sodium/crypto_shorthash.h>

static_assert(sizeof(struct hash_key) == crypto_shorthash_KEYBYTES, "SipHash takes 128-bit keys");

uint64_t hash_keyed(const struct hash_key *key, const void *data, size_t len)
{
	static const uint8_t nothing[1];
	uint64_t out;
	uint8_t digest[crypto_shorthash_BYTES];

	crypto_shorthash(digest, len ? data : nothing, len, key->bytes);
	memcpy(&out, digest, sizeof(out));
	return le64toh(out);
}

static void key_from_kernel(struct hash_key *key)
{
	size_t got = 0;
	while (got < sizeof(key->bytes)) {
		ssize_t n = getrandom(key->bytes + got, sizeof(key->bytes) - got, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			abort(); // a guessable key would let anyone forge answers
		got += (size_t)n;
	}
}

void hash_key_make(struct hash_key *key, const uint64_t *seed, const char *purpose)
{
	if (!seed) {
		key_from_kernel(key);
		return;
	}
	for (uint64_t half = 0; half < 2; half++) {
		struct hash_key from;
		uint64_t words[2] = {htole64(*seed), htole64(half)};
		memcpy(from.bytes, words, sizeof(from.bytes));
		uint64_t out = htole64(hash_keyed(&from, purpose, strlen(purpose)));
		memcpy(key->bytes + 8 * half, &out, sizeof(out));
	}
}
