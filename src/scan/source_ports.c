#include "scan/source_ports.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

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
	unsigned lo = 32768, hi = 60999;
	char text[64];
	int fd = open("/proc/sys/net/ipv4/ip_local_port_range", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		ssize_t n = read(fd, text, sizeof(text) - 1);
		close(fd);
		if (n > 0) {
			text[n] = 0;
			unsigned a, b;
			// NOLINTNEXTLINE(cert-err34-c): the kernel wrote it
			if (sscanf(text, "%u %u", &a, &b) == 2 && a <= b && b <= HIGHEST) {
				lo = a;
				hi = b;
			}
		}
	}
	return source_ports_within(count, random, lo, hi);
}
