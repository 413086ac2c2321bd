#include "transport/send_lane.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "packet/parse.h"

#define LINK_HEADER  14
#define FRAME_STRIDE ((FRAME_MAX + 63) / 64 * 64)
#define BATCH_MAX    1024
#define ROOM_WAIT_MS 10               // for a full socket buffer, once per frame
#define FULL_WAIT_NS (50 * NS_PER_US) // for a full queue of the interface …
#define FULL_WAITS   20               // … so often for one frame, as long as that helps
#define GONE_AFTER   NS_PER_S         // an interface that refuses everything for so long …
#define GONE_FRAMES  16               // … and so many frames is gone
#define LOOPBACK     1                // interface index; it is never named to the kernel

union lane_name {
	struct sockaddr any;
	struct sockaddr_ll ll;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

union lane_control {
	size_t align; // a cmsghdr begins with one
	uint8_t v4[CMSG_SPACE(sizeof(struct in_pktinfo))];
	uint8_t v6[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct lane_slot {
	struct iovec iov;
	union lane_name name;
	union lane_control control;
	uint32_t stamp;
};

struct send_lane {
	struct lane_config cfg;
	unsigned room, front, back; // IPv4 (and every packet-socket frame) from the front, IPv6 from the back
	struct mmsghdr *msgs;
	struct lane_slot *slots;
	uint8_t (*frames)[FRAME_STRIDE];
	unsigned stuck;       // frames in a row that found no room however long they waited
	unsigned down_frames; // refused in a row because the interface is down or gone
	int64_t down_since;
	struct lane_counters counters;
};

static void count(_Atomic uint64_t *c, uint64_t n)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}

struct send_lane *send_lane_new(const struct lane_config *cfg)
{
	struct send_lane *l = aligned_alloc(_Alignof(struct send_lane), sizeof(*l));
	if (!l)
		return NULL;
	memset(l, 0, sizeof(*l));
	l->cfg = *cfg;
	l->room = cfg->frames->batch;
	if (l->room < 1 || l->room > BATCH_MAX)
		l->room = l->room ? BATCH_MAX : 1;
	l->msgs = calloc(l->room, sizeof(*l->msgs));
	l->slots = calloc(l->room, sizeof(*l->slots));
	l->frames = aligned_alloc(64, l->room * sizeof(*l->frames));
	if (!l->msgs || !l->slots || !l->frames) {
		send_lane_free(l);
		return NULL;
	}
	for (unsigned i = 0; i < l->room; i++) {
		struct lane_slot *s = &l->slots[i];
		s->iov.iov_base = l->frames[i];
		l->msgs[i].msg_hdr =
			(struct msghdr){.msg_iov = &s->iov, .msg_iovlen = 1, .msg_name = &s->name};
	}
	return l;
}

void send_lane_free(struct send_lane *l)
{
	if (!l)
		return;
	free(l->msgs);
	free(l->slots);
	free(l->frames);
	free(l);
}

unsigned send_lane_room(const struct send_lane *l)
{
	return l->room - l->front - l->back;
}

static void control_put(struct msghdr *m, struct lane_slot *s, int level, int type, const void *data,
			size_t len)
{
	m->msg_control = &s->control;
	m->msg_controllen = CMSG_SPACE(len);
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	*c = (struct cmsghdr){.cmsg_level = level, .cmsg_type = type, .cmsg_len = CMSG_LEN(len)};
	memcpy(CMSG_DATA(c), data, len);
}

static void address_v4(struct msghdr *m, struct lane_slot *s, const struct frame_desc *d,
		       const struct frame_hop *hop)
{
	s->name.in =
		(struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl((uint32_t)d->dst_lo)};
	m->msg_namelen = sizeof(s->name.in);
	m->msg_controllen = 0;
	if (hop->ifindex > LOOPBACK) {
		const struct in_pktinfo info = {.ipi_ifindex = (int)hop->ifindex};
		control_put(m, s, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	}
}

static void address_v6(struct msghdr *m, struct lane_slot *s, const struct frame_desc *d,
		       const struct frame_hop *hop)
{
	s->name.in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_scope_id = hop->ifindex};
	const struct addr dst = {.hi = d->dst_hi, .lo = d->dst_lo};
	addr_bytes(&dst, s->name.in6.sin6_addr.s6_addr);
	m->msg_namelen = sizeof(s->name.in6);
	m->msg_controllen = 0;
	if (hop->ifindex > LOOPBACK) {
		const struct in6_pktinfo info = {.ipi6_ifindex = hop->ifindex};
		control_put(m, s, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	}
}

static void address_link(struct msghdr *m, struct lane_slot *s, const struct frame_template *t,
			 const struct frame_hop *hop)
{
	s->name.ll = (struct sockaddr_ll){.sll_family = AF_PACKET,
					  .sll_protocol = htons(t->ethertype),
					  .sll_ifindex = (int)hop->ifindex};
	m->msg_namelen = sizeof(s->name.ll);
}

void send_lane_put(struct send_lane *l, const struct frame_desc *d, const struct frame_hop *hop)
{
	const struct frames_config *cfg = l->cfg.frames;
	const struct frame_template *t = &cfg->templates[d->tmpl];
	bool link = l->cfg.packet && hop->has_link;
	bool v6 = !l->cfg.packet && t->ethertype == ETHERTYPE_IPV6;
	unsigned i = v6 ? l->room - ++l->back : l->front++;
	struct lane_slot *s = &l->slots[i];
	struct msghdr *m = &l->msgs[i].msg_hdr;
	s->iov.iov_len = frame_build(t, hop, d, link, l->frames[i]);
	s->stamp = d->stamp;
	if (l->cfg.packet)
		address_link(m, s, t, hop);
	else if (v6)
		address_v6(m, s, d, hop);
	else
		address_v4(m, s, d, hop);
	if (cfg->trace) {
		size_t skip = link ? LINK_HEADER : 0;
		cfg->trace(cfg->trace_ctx, true, l->frames[i] + skip, s->iov.iov_len - skip, t->ethertype);
	}
}

static void stamp_all(const struct send_lane *l)
{
	if (!l->cfg.frames->stamps)
		return;
	frame_stamp *stamps = *l->cfg.frames->stamps;
	uint32_t now = (uint32_t)(clock_mono_ns() / NS_PER_US);
	now = now ? now : 1;
	for (unsigned i = 0; i < l->front; i++)
		atomic_store_explicit(&stamps[l->slots[i].stamp], now, memory_order_relaxed);
	for (unsigned i = l->room - l->back; i < l->room; i++)
		atomic_store_explicit(&stamps[l->slots[i].stamp], now, memory_order_relaxed);
}

// The interface of a frame is down or gone. It may come back, so only a long unbroken row is an error.
static int interface_down(struct send_lane *l, int error)
{
	int64_t now = clock_mono_ns();
	if (l->down_frames++ == 0)
		l->down_since = now;
	if (l->down_frames < GONE_FRAMES || now - l->down_since < GONE_AFTER)
		return 0;
	return error == ENETDOWN ? -ENETDOWN : -ENODEV;
}

// What to do about a frame that was refused with `error`: 0 go on with the next one, else the end.
static int refused(struct send_lane *l, int error)
{
	switch (error) {
	case EAGAIN:
	case ENOBUFS:
	case ENOMEM:
	case EPERM: // a firewall
	case EACCES:
	case ENETUNREACH:
	case EHOSTUNREACH:
	case EADDRNOTAVAIL:
	case EMSGSIZE:
	case EINVAL:
		return 0;
	case ENETDOWN:
	case ENODEV:
	case ENXIO:
		return interface_down(l, error);
	default:
		return -error;
	}
}

// The interface had no room for a frame: has it been waited for often enough?
static bool wait_for_room(struct send_lane *l, unsigned *waits)
{
	if (l->stuck > GONE_FRAMES || *waits >= FULL_WAITS) {
		l->stuck++;
		return false;
	}
	++*waits;
	nanosleep(&(struct timespec){.tv_nsec = FULL_WAIT_NS}, NULL);
	return true;
}

static int emit(struct send_lane *l, int fd, struct mmsghdr *m, unsigned n)
{
	unsigned waited_for = n; // the frame for which room was already awaited
	unsigned waits = 0;
	for (unsigned done = 0; done < n;) {
		int k = sendmmsg(fd, m + done, n - done, MSG_DONTWAIT | MSG_NOSIGNAL);
		count(&l->counters.syscalls, 1);
		if (k > 0) {
			count(&l->counters.handed, (unsigned)k);
			done += (unsigned)k;
			l->down_frames = l->stuck = waits = 0;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN && waited_for != done) {
			struct pollfd p = {.fd = fd, .events = POLLOUT};
			waited_for = done;
			poll(&p, 1, ROOM_WAIT_MS);
			continue;
		}
		if (errno == ENOBUFS && wait_for_room(l, &waits))
			continue;
		int rc = refused(l, errno);
		waits = 0;
		count(&l->counters.not_taken, rc ? n - done : 1);
		if (rc)
			return rc;
		done++;
	}
	return 0;
}

static void reverse(struct mmsghdr *m, unsigned n)
{
	for (unsigned i = 0; i < n / 2; i++) {
		struct mmsghdr other = m[i];
		m[i] = m[n - 1 - i];
		m[n - 1 - i] = other;
	}
}

int send_lane_flush(struct send_lane *l)
{
	unsigned front = l->front, back = l->back;
	struct mmsghdr *last = l->msgs + l->room - back;
	stamp_all(l);
	l->front = l->back = 0;
	int rc = front ? emit(l, l->cfg.fd_v4, l->msgs, front) : 0;
	reverse(last, back); // filled from the back, but they leave in the order in which they came
	int rc6 = back ? emit(l, l->cfg.fd_v6, last, back) : 0;
	reverse(last, back); // each message belongs to its slot
	return rc ? rc : rc6;
}

const struct lane_counters *send_lane_counters(const struct send_lane *l)
{
	return &l->counters;
}
