#include "responder/extras.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	WAITING_MAX = 1 << 20, // 96 MB
	FIRST_CAPACITY = 1 << 10,
	TAKEN_AT_ONCE = 256,
	// Where the numbers are in an answer, behind the Ethernet and IP headers.
	TCP_AT_V4 = 14 + 20,
	TCP_AT_V6 = 14 + 40,
	ACK_AT = 8,
	CHECK_AT = 16
};

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

void extras_spoil(struct responder_extra *extra, uint64_t number)
{
	uint8_t *tcp = extra->frame + (extra->frame[12] == 0x86 ? TCP_AT_V6 : TCP_AT_V4);
	uint32_t change = (uint32_t)responder_mix(number) | 1U << (number % 32);
	uint16_t words[2], check;
	uint32_t sum;

	// RFC 1624: what goes out of the sum and what comes in.
	memcpy(words, tcp + ACK_AT, sizeof(words));
	memcpy(&check, tcp + CHECK_AT, sizeof(check));
	sum = (uint16_t)~check + (uint32_t)(uint16_t)~words[0] + (uint16_t)~words[1];
	words[0] ^= (uint16_t)(change >> 16);
	words[1] ^= (uint16_t)change;
	sum += (uint32_t)words[0] + words[1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	check = (uint16_t)~sum;
	memcpy(tcp + ACK_AT, words, sizeof(words));
	memcpy(tcp + CHECK_AT, &check, sizeof(check));
}

static void emit(struct extras *x, const struct responder_extra *extra)
{
	if (send(x->socket, extra->frame, extra->length, MSG_DONTWAIT) == (ssize_t)extra->length)
		x->sent++;
	else
		x->unsent++;
}

static bool grow(struct extras *x)
{
	size_t capacity = x->capacity ? x->capacity * 2 : FIRST_CAPACITY;
	struct responder_extra *heap;

	if (x->count < x->capacity)
		return true;
	if (capacity > WAITING_MAX)
		return false;
	heap = realloc(x->heap, capacity * sizeof(*heap));
	if (!heap)
		return false;
	x->heap = heap;
	x->capacity = capacity;
	return true;
}

static void push(struct extras *x, const struct responder_extra *extra)
{
	size_t at = x->count;

	if (!grow(x)) {
		x->unsent++;
		return;
	}
	for (x->count++; at > 0 && x->heap[(at - 1) / 2].due_ns > extra->due_ns; at = (at - 1) / 2)
		x->heap[at] = x->heap[(at - 1) / 2];
	x->heap[at] = *extra;
}

static void drop_first(struct extras *x)
{
	const struct responder_extra *last = &x->heap[--x->count];
	size_t at = 0;

	for (;;) {
		size_t child = at * 2 + 1;

		if (child + 1 < x->count && x->heap[child + 1].due_ns < x->heap[child].due_ns)
			child++;
		if (child >= x->count || x->heap[child].due_ns >= last->due_ns)
			break;
		x->heap[at] = x->heap[child];
		at = child;
	}
	x->heap[at] = *last;
}

// One of the ring. An error ends the round, but what was shown counts as taken.
static int take(void *context, void *data, size_t bytes)
{
	struct extras *x = context;
	struct responder_extra extra;

	if (bytes < sizeof(extra))
		return 0;
	memcpy(&extra, data, sizeof(extra));
	if (extra.wrong)
		extras_spoil(&extra, x->sent + x->unsent + x->count);
	if (extra.due_ns <= x->now_ns)
		emit(x, &extra);
	else
		push(x, &extra);
	return ++x->taken % TAKEN_AT_ONCE == 0 ? -EAGAIN : 0;
}

int extras_open(struct extras *x, int map, int ifindex, struct err_text *e)
{
	const struct sockaddr_ll where = {.sll_family = AF_PACKET, .sll_ifindex = ifindex};
	const int yes = 1;

	// Protocol 0: it only sends.
	x->socket = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (x->socket < 0 || bind(x->socket, (const struct sockaddr *)&where, sizeof(where)) < 0 ||
	    setsockopt(x->socket, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof(yes)) < 0)
		return err_set(e, -errno, "no packet socket: %s", strerror(errno));
	x->ring = ring_buffer__new(map, take, x, NULL);
	if (!x->ring)
		return err_set(e, -errno, "no ring buffer: %s", strerror(errno));
	return 0;
}

void extras_close(struct extras *x)
{
	ring_buffer__free(x->ring);
	if (x->socket >= 0)
		close(x->socket);
	free(x->heap);
}

int64_t extras_serve(struct extras *x)
{
	int taken;

	x->now_ns = clock_ns();
	taken = ring_buffer__consume(x->ring);
	for (; x->count > 0 && x->heap[0].due_ns <= x->now_ns; drop_first(x))
		emit(x, &x->heap[0]);
	if (taken < 0)
		return 0;
	return x->count > 0 ? (int64_t)(x->heap[0].due_ns - x->now_ns) : INT64_MAX;
}
