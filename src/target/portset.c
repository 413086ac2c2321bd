#include "target/ports.h"

#include <stdlib.h>

#include "base/buf.h"

#define FORMAT_MAX (1U << 20) // every second port takes 200 KB

const char *proto_name(enum proto p)
{
	static const char *const names[PROTO_COUNT] = {"tcp", "udp", "sctp"};

	return names[p];
}

void portset_add(struct portset *s, enum proto p, uint16_t port)
{
	s->bits[p][port / 64] |= 1ULL << port % 64;
}

bool portset_has(const struct portset *s, enum proto p, uint16_t port)
{
	return s->bits[p][port / 64] >> port % 64 & 1;
}

size_t portset_count(const struct portset *s, enum proto p)
{
	size_t count = 0;

	for (size_t i = 0; i < 1024; i++)
		count += (size_t)__builtin_popcountll(s->bits[p][i]);
	return count;
}

size_t portset_list(const struct portset *s, enum proto p, uint16_t *out)
{
	size_t count = 0;

	for (size_t i = 0; i < 1024; i++) {
		for (uint64_t word = s->bits[p][i]; word != 0; word &= word - 1)
			out[count++] = (uint16_t)(64 * i + (size_t)__builtin_ctzll(word));
	}
	return count;
}

char *portset_format(const struct portset *s, enum proto p)
{
	struct buf b;

	buf_init(&b, FORMAT_MAX);
	for (unsigned first = 0; first < 65536; first++) {
		unsigned last = first;
		if (!portset_has(s, p, (uint16_t)first))
			continue;
		while (last < 65535 && portset_has(s, p, (uint16_t)(last + 1)))
			last++;
		buf_printf(&b, last == first ? "%s%u" : "%s%u-%u", b.len != 0 ? "," : "", first, last);
		first = last;
	}
	buf_put(&b, "", 1);
	if (b.failed)
		abort();
	return (char *)b.data;
}
