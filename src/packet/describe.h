// One line about a packet, for --packet-trace.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define DESCRIBE_MAX 256

// "TCP 198.18.0.2:61000 > 198.18.1.1:80 S ttl=64 iplen=44 seq=123 win=1024 <mss 1460>". `data` starts at the
// network header. Whatever it is, the text is safe for a terminal. Returns its length.
size_t packet_describe(char out[DESCRIBE_MAX], const uint8_t *data, size_t len, uint16_t ethertype);
