// The kernel's range of local ports (ip(7), ip_local_port_range).
#pragma once

#include <stdint.h>

// The usual range when it cannot be read.
void net_port_range(uint16_t *lo, uint16_t *hi);
