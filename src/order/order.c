// A Feistel network over pairs (left < a, right < b) after Black and Rogaway ("Ciphers with Arbitrary Finite
// Domains", 2002), with modular addition in place of exclusive or. a × b is at least n and hardly more;
// values from n up are walked through the network again until they fall below n. Four rounds: this spreads
// the scan and hides its sequence, it keeps no secret.
#include "order/order.h"

#include <assert.h>

__extension__ typedef unsigned __int128 u128;

static uint64_t fold(uint64_t x, uint64_t y)
{
	u128 product = (u128)x * y;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

// A keyed value below `bound`. Scaling by a product costs no division. Halves are small numbers, of which one
// folded product is nearly linear (some distance between neighbours in the order then came up a thousand
// times too often); two are not.
static uint64_t round_value(const uint64_t key[2], uint64_t half, uint64_t bound)
{
	return recip_multiply_high(fold(fold(half ^ key[0], key[1]), 0x9e3779b97f4a7c15ULL), bound);
}

static uint64_t add_modulo(uint64_t x, uint64_t y, uint64_t modulus)
{
	uint64_t sum = x + y; // both are below 2^33

	return sum >= modulus ? sum - modulus : sum;
}

static uint64_t encrypt(const struct order *o, uint64_t value)
{
	uint64_t right, left = recip_div(&o->by_b, value, &right);

	for (int round = 0; round < ORDER_ROUNDS; round += 2) {
		left = add_modulo(left, round_value(o->keys + 2 * round, right, o->a), o->a);
		right = add_modulo(right, round_value(o->keys + 2 * round + 2, left, o->b), o->b);
	}
	return left * o->b + right;
}

static uint64_t decrypt(const struct order *o, uint64_t value)
{
	uint64_t right, left = recip_div(&o->by_b, value, &right);

	for (int round = ORDER_ROUNDS - 2; round >= 0; round -= 2) {
		uint64_t r = round_value(o->keys + 2 * round + 2, left, o->b);
		right = add_modulo(right, o->b - r, o->b);
		uint64_t l = round_value(o->keys + 2 * round, right, o->a);
		left = add_modulo(left, o->a - l, o->a);
	}
	return left * o->b + right;
}

static uint64_t square_root(uint64_t n)
{
	uint64_t root = 0;

	for (uint64_t bit = 1ULL << 31; bit != 0; bit >>= 1) {
		if ((root + bit) * (root + bit) <= n)
			root += bit;
	}
	return root;
}

// Of the widths near √n the one whose rectangle exceeds n least: the excess is what has to be walked. It is
// below √n / n, so under 1 % from n = 10,000 up, and small sets gain from the search.
static void choose_sides(struct order *o)
{
	uint64_t root = square_root(o->n), best = UINT64_MAX;
	uint64_t low = root > 256 ? root - 64 : root - root / 4;

	for (uint64_t width = root + (root * root < o->n); width >= low; width--) {
		uint64_t height = (o->n - 1) / width + 1;
		uint64_t excess = width * height - o->n;
		if (excess < best) {
			best = excess;
			o->a = height;
			o->b = width;
		}
		if (excess == 0)
			break;
	}
}

void order_init(struct order *o, uint64_t n, const struct hash_key *key, bool sequential)
{
	assert(n <= ORDER_MAX);
	*o = (struct order){.n = n, .a = 1, .b = 1, .sequential = sequential};
	if (n > 1)
		choose_sides(o);
	o->by_b = recip_of(o->b);
	for (uint64_t i = 0; i < 2 * ORDER_ROUNDS; i++)
		o->keys[i] = hash_keyed(key, &i, sizeof(i)) | (i & 1);
}

// Encrypts until the result is one of the n values (cycle walking).
static inline uint64_t walk(const struct order *o, uint64_t value)
{
	do
		value = encrypt(o, value);
	while (value >= o->n);
	return value;
}

uint64_t order_at(const struct order *o, uint64_t position)
{
	return o->sequential ? position : walk(o, position);
}

void order_at_many(const struct order *o, uint64_t *values, unsigned n)
{
	for (unsigned i = 0; !o->sequential && i < n; i++)
		values[i] = walk(o, values[i]);
}

uint64_t order_position(const struct order *o, uint64_t index)
{
	if (o->sequential)
		return index;
	do
		index = decrypt(o, index);
	while (index >= o->n);
	return index;
}

struct order_slice order_shard(uint64_t n, uint32_t shard, uint32_t shards, uint64_t max_probes)
{
	struct order_slice slice = {.first = shard, .step = shards};

	assert(shard < shards);
	if (shard < n)
		slice.count = (n - shard - 1) / shards + 1;
	if (max_probes != 0 && slice.count > max_probes)
		slice.count = max_probes;
	return slice;
}
