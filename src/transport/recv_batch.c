#include "transport/recv_batch.h"

#include <errno.h>
#include <stdlib.h>

struct slot {
	_Alignas(size_t) uint8_t control[RECV_CONTROL];
	union recv_name name;
	struct iovec iov;
};

struct recv_batch {
	unsigned room;
	struct mmsghdr *msgs;
	struct slot *slots;
	uint8_t (*bytes)[RECV_HEADROOM + RECV_BYTES];
};

struct recv_batch *recv_batch_new(unsigned room)
{
	struct recv_batch *b = calloc(1, sizeof(*b));
	if (!b)
		return NULL;
	b->room = room;
	b->msgs = calloc(room, sizeof(*b->msgs));
	b->slots = calloc(room, sizeof(*b->slots));
	b->bytes = malloc(room * sizeof(*b->bytes));
	if (!b->msgs || !b->slots || !b->bytes) {
		recv_batch_free(b);
		return NULL;
	}
	for (unsigned i = 0; i < room; i++) {
		b->slots[i].iov =
			(struct iovec){.iov_base = b->bytes[i] + RECV_HEADROOM, .iov_len = RECV_BYTES};
		b->msgs[i].msg_hdr = (struct msghdr){.msg_iov = &b->slots[i].iov,
						     .msg_iovlen = 1,
						     .msg_name = &b->slots[i].name,
						     .msg_control = b->slots[i].control};
	}
	return b;
}

void recv_batch_free(struct recv_batch *b)
{
	if (!b)
		return;
	free(b->msgs);
	free(b->slots);
	free(b->bytes);
	free(b);
}

int recv_batch_take(struct recv_batch *b, int fd, unsigned first, unsigned n)
{
	if (first >= b->room)
		return 0;
	if (n > b->room - first)
		n = b->room - first;
	for (unsigned i = first; i < first + n; i++) {
		b->msgs[i].msg_hdr.msg_namelen = sizeof(union recv_name);
		b->msgs[i].msg_hdr.msg_controllen = RECV_CONTROL;
	}
	int got = recvmmsg(fd, b->msgs + first, n, MSG_DONTWAIT, NULL);
	if (got >= 0)
		return got;
	// ENETDOWN is told once when an interface goes down: the sender finds out for itself.
	return errno == EAGAIN || errno == EINTR || errno == ENETDOWN ? 0 : -errno;
}

unsigned recv_batch_room(const struct recv_batch *b)
{
	return b->room;
}

uint8_t *recv_batch_data(struct recv_batch *b, unsigned slot, uint32_t *len)
{
	*len = b->msgs[slot].msg_len;
	return b->bytes[slot] + RECV_HEADROOM;
}

const union recv_name *recv_batch_name(const struct recv_batch *b, unsigned slot)
{
	return &b->slots[slot].name;
}

struct msghdr *recv_batch_header(struct recv_batch *b, unsigned slot)
{
	return &b->msgs[slot].msg_hdr;
}
