// Preallocated buffers for recvmmsg.
#pragma once

#include <linux/if_packet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

#define RECV_HEADROOM 64   // free bytes in front of each packet, for a header that is rebuilt
#define RECV_BYTES    2048 // longest packet kept, the rest is cut off
#define RECV_CONTROL  128

union recv_name {
	struct sockaddr_storage any; // alignment
	struct sockaddr_ll ll;
	struct sockaddr_in6 in6;
};

struct recv_batch;

struct recv_batch *recv_batch_new(unsigned room); // NULL when memory is short
void recv_batch_free(struct recv_batch *b);

// Fills slots first … first + n - 1 at most with what is waiting on the socket. Returns how many, or -errno.
int recv_batch_take(struct recv_batch *b, int fd, unsigned first, unsigned n) MUST_CHECK;

unsigned recv_batch_room(const struct recv_batch *b);
uint8_t *recv_batch_data(struct recv_batch *b, unsigned slot, uint32_t *len);
const union recv_name *recv_batch_name(const struct recv_batch *b, unsigned slot);
struct msghdr *recv_batch_header(struct recv_batch *b, unsigned slot);
