#include "transport/packet_ring.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_packet.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/clock.h"

#define SLOT_BYTES  512
#define SLOTS_MIN   2048u
#define SLOTS_MAX   32768u
#define BLOCK_BYTES 65536
#define CLOCK_TRIES 4
#define CLOCK_CLOSE (5 * NS_PER_US)

struct packet_ring {
	uint8_t *map;
	unsigned slots; // a power of two
	unsigned next;  // slot to look at
	unsigned held;  // slots before it that the caller still reads
};

static size_t ring_bytes(const struct packet_ring *r)
{
	return (size_t)r->slots * SLOT_BYTES;
}

int packet_ring_open(struct packet_ring **out, int fd, uint64_t slots)
{
	*out = NULL;
	struct packet_ring *r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->slots = SLOTS_MIN;
	while (r->slots < slots && r->slots < SLOTS_MAX)
		r->slots *= 2;
	int version = TPACKET_V2;
	struct tpacket_req req = {.tp_block_size = BLOCK_BYTES,
				  .tp_block_nr = (unsigned)(ring_bytes(r) / BLOCK_BYTES),
				  .tp_frame_size = SLOT_BYTES,
				  .tp_frame_nr = r->slots};
	int rc = 0;
	if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)))
		goto out_errno;
	r->map = mmap(NULL, ring_bytes(r), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (r->map != MAP_FAILED) {
		*out = r;
		return 0;
	}
	rc = -errno;
	req = (struct tpacket_req){0}; // back to plain receiving
	setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req));
out_errno:
	rc = rc ? rc : -errno;
	free(r);
	return rc;
}

void packet_ring_close(struct packet_ring *r)
{
	if (!r)
		return;
	munmap(r->map, ring_bytes(r));
	free(r);
}

static struct tpacket2_hdr *slot(const struct packet_ring *r, unsigned i)
{
	return (struct tpacket2_hdr *)(void *)(r->map + (size_t)(i % r->slots) * SLOT_BYTES);
}

static void give_back(struct packet_ring *r)
{
	for (; r->held; r->held--)
		__atomic_store_n(&slot(r, r->next - r->held)->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
}

// The kernel stamps with wall time. Between two readings of clocks this thread may be kept from running: the
// readings that lie closest together count.
static int64_t wall_to_mono(void)
{
	int64_t offset = 0, least = INT64_MAX;
	for (int tries = 0; tries < CLOCK_TRIES && least > CLOCK_CLOSE; tries++) {
		int64_t before = clock_mono_ns(), wall = clock_wall_ns(), after = clock_mono_ns();
		if (after - before >= least)
			continue;
		least = after - before;
		offset = before + least / 2 - wall;
	}
	return offset;
}

unsigned packet_ring_take(struct packet_ring *r, struct frame_reply *out, unsigned max)
{
	unsigned n = 0;
	give_back(r);
	int64_t offset = wall_to_mono();
	while (n < max && r->held < r->slots / 2) {
		const struct tpacket2_hdr *h = slot(r, r->next);
		if (!(__atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
			break;
		r->next++;
		r->held++;
		const uint8_t *base = (const uint8_t *)h;
		const struct sockaddr_ll *from =
			(const void *)(base + TPACKET_ALIGN(sizeof(struct tpacket2_hdr)));
		if (from->sll_hatype != ARPHRD_ETHER || h->tp_net < h->tp_mac ||
		    h->tp_snaplen < (uint32_t)(h->tp_net - h->tp_mac))
			continue;
		out[n++] = (struct frame_reply){
			.data = base + h->tp_net,
			.len = h->tp_snaplen - (uint32_t)(h->tp_net - h->tp_mac),
			.ethertype = ntohs(from->sll_protocol),
			.ifindex = (uint32_t)from->sll_ifindex,
			.time_ns = (int64_t)h->tp_sec * NS_PER_S + h->tp_nsec + offset,
		};
	}
	return n;
}
