#include "net/port_range.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_NAME  "/proc/sys/net/ipv4/ip_local_port_range"
#define USUAL_LOW  32768
#define USUAL_HIGH 60999
#define HIGHEST    65535ul

void net_port_range(uint16_t *lo, uint16_t *hi)
{
	char text[64], *end;
	*lo = USUAL_LOW;
	*hi = USUAL_HIGH;
	int fd = open(FILE_NAME, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return;
	text[n] = '\0';
	unsigned long a = strtoul(text, &end, 10), b = strtoul(end, NULL, 10);
	if (a == 0 || a > b || b > HIGHEST)
		return;
	*lo = (uint16_t)a;
	*hi = (uint16_t)b;
}
