// Raw IP sockets both ways: the kernel routes and resolves, and closing costs nothing. Two sockets a family:
// the TCP one also sends (with its own IP header), the other hears ICMP.
#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/endian.h"
#include "packet/parse.h"
#include "transport/filter.h"
#include "transport/frames.h"
#include "transport/recv_batch.h"
#include "transport/send_workers.h"
#include "transport/socket_buffer.h"

#define IPV6_HEADER 40

// Places in privileged_fds.
enum { TCP4, ICMP4, TCP6, ICMP6, SOCKETS };

static const struct {
	int family, protocol;
	void (*filter)(struct filter *f, const struct filter_want *w);
} kinds[SOCKETS] = {
	[TCP4] = {AF_INET, IPPROTO_TCP, filter_raw_tcp4},
	[ICMP4] = {AF_INET, IPPROTO_ICMP, filter_raw_icmp4},
	[TCP6] = {AF_INET6, IPPROTO_TCP, filter_raw_tcp6},
	[ICMP6] = {AF_INET6, IPPROTO_ICMPV6, filter_raw_icmp6},
};

struct frames {
	struct frames_config cfg;
	int fds[SOCKETS], epoll; // -1: not wanted
	struct sender *sender;
	struct recv_batch *batch;
	uint64_t received;
};

static bool wanted(int i, bool v4, bool v6)
{
	return kinds[i].family == AF_INET ? v4 : v6;
}

static int set_one(int fd, int level, int option)
{
	int one = 1;
	return setsockopt(fd, level, option, &one, sizeof(one)) ? -errno : 0;
}

static int socket_options(int fd, int i)
{
	if (i == TCP4)
		return set_one(fd, IPPROTO_IP, IP_HDRINCL);
	if (i == ICMP4)
		return 0;
	int rc = i == TCP6 ? set_one(fd, IPPROTO_IPV6, IPV6_HDRINCL) : 0;
	if (rc == 0)
		rc = set_one(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO);
	if (rc == 0)
		rc = set_one(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT);
	return rc;
}

static void sockets_close(const int fds[SOCKETS])
{
	for (int i = 0; i < SOCKETS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

// Everything that arrives before open() has set the right filter is dropped.
static int socket_open(int i, int *fd)
{
	const struct filter nothing = {.code = {{.code = BPF_RET | BPF_K, .k = 0}}, .len = 1};
	*fd = socket(kinds[i].family, SOCK_RAW | SOCK_CLOEXEC, kinds[i].protocol);
	if (*fd < 0)
		return -errno;
	int rc = filter_attach(*fd, &nothing);
	if (rc == 0)
		rc = socket_options(*fd, i);
	if (rc == 0)
		socket_buffer_grow(*fd);
	return rc;
}

int frames_rawip_sockets(bool v4, bool v6, int fds[4], struct err_text *e)
{
	int rc = 0;
	for (int i = 0; i < SOCKETS; i++)
		fds[i] = -1;
	for (int i = 0; i < SOCKETS && rc == 0; i++)
		if (wanted(i, v4, v6))
			rc = socket_open(i, &fds[i]);
	if (rc == 0)
		return 0;
	sockets_close(fds);
	for (int i = 0; i < SOCKETS; i++)
		fds[i] = -1;
	if (rc == -EPERM || rc == -EACCES)
		return err_set(e, ERR_PRIVILEGE,
			       "raw sockets need root or CAP_NET_RAW (setcap cap_net_raw+ep); a connect scan "
			       "(-sT) needs neither");
	return err_set(e, rc, "cannot open raw sockets: %s", err_name(rc));
}

static int receive_prepare(struct frames *f)
{
	const struct frames_config *cfg = &f->cfg;
	const struct filter_want want = {.v4 = cfg->want_v4,
					 .v6 = cfg->want_v6,
					 .ndp = cfg->want_ndp,
					 .port_lo = cfg->port_lo,
					 .port_hi = cfg->port_hi};
	f->batch = recv_batch_new(cfg->recv_batch ? cfg->recv_batch : FRAMES_RECV_DEFAULT);
	f->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!f->batch || f->epoll < 0)
		return f->batch ? -errno : -ENOMEM;
	for (int i = 0; i < SOCKETS; i++) {
		if (f->fds[i] < 0)
			continue;
		struct filter filter;
		kinds[i].filter(&filter, &want);
		int rc = filter_attach(f->fds[i], &filter);
		if (rc)
			return rc;
		struct epoll_event ev = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
		if (epoll_ctl(f->epoll, EPOLL_CTL_ADD, f->fds[i], &ev))
			return -errno;
	}
	return 0;
}

static void frames_free(struct frames *f)
{
	sender_close(f->sender);
	recv_batch_free(f->batch);
	if (f->epoll >= 0)
		close(f->epoll);
	free(f);
}

static bool sockets_given(const struct frames_config *cfg)
{
	for (int i = 0; i < SOCKETS; i++)
		if (wanted(i, cfg->want_v4, cfg->want_v6) && cfg->privileged_fds[i] < 0)
			return false;
	return true;
}

static int rawip_open(struct frames **out, const struct frames_config *cfg, struct err_text *e)
{
	*out = NULL;
	struct frames *f = calloc(1, sizeof(*f));
	if (!f)
		return err_set(e, -ENOMEM, "out of memory");
	f->cfg = *cfg;
	f->epoll = -1;
	memcpy(f->fds, cfg->privileged_fds, sizeof(f->fds));
	bool own = !sockets_given(cfg);
	int rc = own ? frames_rawip_sockets(cfg->want_v4, cfg->want_v6, f->fds, e) : 0;
	if (rc)
		goto out;
	const struct lane_config lane = {.frames = &f->cfg, .fd_v4 = f->fds[TCP4], .fd_v6 = f->fds[TCP6]};
	rc = sender_open(&f->sender, &lane, e);
	if (rc)
		goto out_sockets;
	rc = receive_prepare(f);
	if (rc) {
		err_set(e, rc, "cannot set raw sockets up: %s", err_name(rc));
		goto out_sockets;
	}
	*out = f;
	return 0;
out_sockets:
	if (own)
		sockets_close(f->fds);
out:
	frames_free(f);
	return rc;
}

static int rawip_send(struct frames *f, const struct frame_desc *d, unsigned n, unsigned *taken)
{
	return sender_send(f->sender, d, n, taken);
}

static bool rawip_idle(const struct frames *f)
{
	return sender_idle(f->sender);
}

static int64_t rawip_waiting_since(const struct frames *f)
{
	return sender_waiting_since(f->sender);
}

// The kernel keeps an IPv6 packet's header to itself: it is written again from what it tells beside the data.
static void header_rebuild(struct recv_batch *b, unsigned slot, uint8_t protocol, struct frame_reply *r)
{
	uint32_t len;
	uint8_t *h = recv_batch_data(b, slot, &len) - IPV6_HEADER;
	const struct sockaddr_in6 *from = &recv_batch_name(b, slot)->in6;
	struct msghdr *m = recv_batch_header(b, slot);
	memset(h, 0, IPV6_HEADER);
	h[0] = 0x60;
	store_be16(h + 4, (uint16_t)len);
	h[6] = protocol;
	memcpy(h + 8, &from->sin6_addr, 16);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != IPPROTO_IPV6)
			continue;
		int hops;
		struct in6_pktinfo info;
		if (c->cmsg_type == IPV6_HOPLIMIT && c->cmsg_len >= CMSG_LEN(sizeof(hops))) {
			memcpy(&hops, CMSG_DATA(c), sizeof(hops));
			h[7] = (uint8_t)hops;
		} else if (c->cmsg_type == IPV6_PKTINFO && c->cmsg_len >= CMSG_LEN(sizeof(info))) {
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			memcpy(h + 24, &info.ipi6_addr, 16);
			r->ifindex = info.ipi6_ifindex;
		}
	}
	r->data = h;
	r->len = len + IPV6_HEADER;
	r->ethertype = ETHERTYPE_IPV6;
}

static void reply_fill(struct frames *f, int kind, unsigned slot, struct frame_reply *r)
{
	*r = (struct frame_reply){.ethertype = ETHERTYPE_IPV4};
	if (kinds[kind].family == AF_INET6)
		header_rebuild(f->batch, slot, (uint8_t)kinds[kind].protocol, r);
	else
		r->data = recv_batch_data(f->batch, slot, &r->len);
}

static int rawip_recv(struct frames *f, struct frame_reply *r, unsigned max)
{
	struct epoll_event ready[SOCKETS];
	int sockets = epoll_wait(f->epoll, ready, SOCKETS, 0);
	if (sockets < 0)
		return errno == EINTR ? 0 : -errno;
	unsigned n = 0;
	for (int s = 0; s < sockets && n < max; s++) {
		int kind = (int)ready[s].data.u32;
		int got = recv_batch_take(f->batch, f->fds[kind], n, max - n);
		if (got < 0 && n == 0)
			return got;
		for (int i = 0; i < got; i++, n++)
			reply_fill(f, kind, n, &r[n]);
	}
	int64_t now = n ? clock_mono_ns() : 0;
	for (unsigned i = 0; i < n; i++) {
		r[i].time_ns = now;
		if (f->cfg.trace)
			f->cfg.trace(f->cfg.trace_ctx, false, r[i].data, r[i].len, r[i].ethertype);
	}
	f->received += n;
	return (int)n;
}

static int rawip_fd(const struct frames *f)
{
	return f->epoll;
}

static void rawip_stats(struct frames *f, struct frames_stats *out)
{
	*out = (struct frames_stats){.received = f->received};
	for (int i = 0; i < SOCKETS; i++) {
		uint32_t info[SK_MEMINFO_VARS];
		socklen_t len = sizeof(info);
		if (f->fds[i] >= 0 && getsockopt(f->fds[i], SOL_SOCKET, SO_MEMINFO, info, &len) == 0 &&
		    len > SK_MEMINFO_DROPS * sizeof(info[0]))
			out->dropped += info[SK_MEMINFO_DROPS];
	}
	sender_stats(f->sender, out);
}

static int rawip_close(struct frames *f)
{
	int fds[SOCKETS];
	memcpy(fds, f->fds, sizeof(fds));
	frames_free(f);
	sockets_close(fds);
	return 0;
}

const struct frames_ops frames_rawip = {
	.name = "rawip",
	.open = rawip_open,
	.send = rawip_send,
	.idle = rawip_idle,
	.waiting_since = rawip_waiting_since,
	.recv = rawip_recv,
	.fd = rawip_fd,
	.stats = rawip_stats,
	.close = rawip_close,
};
