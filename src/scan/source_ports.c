#include "scan/source_ports.h"

#include "net/port_range.h"

#define LOWEST  1024u
#define HIGHEST 65535u

uint16_t source_ports_within(unsigned count, uint64_t random, unsigned lo, unsigned hi)
{
	unsigned above = hi < HIGHEST ? HIGHEST - hi : 0;
	unsigned below = lo > 2 * LOWEST ? lo - 2 * LOWEST : 0;
	if (above >= count)
		return (uint16_t)(hi + 1 + random % (above - count + 1));
	if (below >= count)
		return (uint16_t)(2 * LOWEST + random % (below - count + 1));
	return (uint16_t)(HIGHEST - count + 1 -
			  random % (HIGHEST / 4)); // nothing is free of it: as good as any
}

uint16_t source_ports_choose(unsigned count, uint64_t random)
{
	uint16_t lo, hi;
	net_port_range(&lo, &hi);
	return source_ports_within(count, random, lo, hi);
}
