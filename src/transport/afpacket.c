// One packet socket for everything: sending on any number of interfaces, and receiving. A second one would
// cost another RCU grace period when it is closed.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "transport/filter.h"
#include "transport/frames.h"
#include "transport/late_close.h"
#include "transport/packet_ring.h"
#include "transport/recv_batch.h"
#include "transport/send_workers.h"
#include "transport/socket_buffer.h"

#define LINK_HEADER 14

struct frames {
	struct frames_config cfg;
	int fd, hold; // hold: closed after fd
	struct sender *sender;
	struct recv_batch *batch; // or
	struct packet_ring *ring;
	uint64_t received, dropped;
};

int frames_afpacket_socket(int fds[4], struct err_text *e)
{
	fds[1] = fds[2] = fds[3] = -1;
	// Protocol 0: nothing arrives before the filter is there and the socket is bound.
	fds[0] = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fds[0] >= 0) {
		socket_buffer_grow(fds[0]);
		fds[1] = late_close_hold(fds[0]);
		return 0;
	}
	if (errno != EPERM && errno != EACCES)
		return err_set(e, -errno, "cannot open a packet socket: %s", err_name(-errno));
	return err_set(e, ERR_PRIVILEGE,
		       "a packet socket needs root or CAP_NET_RAW (setcap cap_net_raw+ep); a connect scan "
		       "(-sT) needs neither");
}

// A socket for one protocol alone does not even see outgoing frames.
static uint16_t protocol_for(const struct frames_config *cfg)
{
	if (cfg->want_v4 + cfg->want_v6 + cfg->want_arp != 1)
		return ETH_P_ALL;
	return cfg->want_v4 ? ETH_P_IP : cfg->want_v6 ? ETH_P_IPV6 : ETH_P_ARP;
}

static int set_one(int fd, int option)
{
	int one = 1;
	return setsockopt(fd, SOL_PACKET, option, &one, sizeof(one)) ? -errno : 0;
}

static int receive_prepare(struct frames *f)
{
	const struct frames_config *cfg = &f->cfg;
	const struct filter_want want = {.v4 = cfg->want_v4,
					 .v6 = cfg->want_v6,
					 .arp = cfg->want_arp,
					 .ndp = cfg->want_ndp,
					 .port_lo = cfg->port_lo,
					 .port_hi = cfg->port_hi};
	struct filter filter;
	filter_packet(&filter, &want);
	int rc = filter_attach(f->fd, &filter);
	if (rc)
		return rc;
	// A ring that cannot be had is no reason to fail.
	if (cfg->large && packet_ring_open(&f->ring, f->fd) == 0)
		return 0;
	f->batch = recv_batch_new(FRAMES_RECV_MAX);
	return f->batch ? 0 : -ENOMEM;
}

static int socket_start(struct frames *f)
{
	uint16_t protocol = protocol_for(&f->cfg);
	int rc = receive_prepare(f);
	if (rc == 0 && protocol == ETH_P_ALL)
		rc = set_one(f->fd, PACKET_IGNORE_OUTGOING);
	if (rc == 0 && f->cfg.qdisc_bypass)
		rc = set_one(f->fd, PACKET_QDISC_BYPASS);
	if (rc)
		return rc;
	const struct sockaddr_ll any = {.sll_family = AF_PACKET, .sll_protocol = htons(protocol)};
	return bind(f->fd, (const struct sockaddr *)&any, sizeof(any)) ? -errno : 0;
}

static int sockets_close(int fd, int hold)
{
	int rc = close(fd) ? -errno : 0;
	if (hold >= 0)
		close(hold);
	return rc;
}

static void frames_free(struct frames *f)
{
	sender_close(f->sender);
	packet_ring_close(f->ring);
	recv_batch_free(f->batch);
	free(f);
}

static int afpacket_open(struct frames **out, const struct frames_config *cfg, struct err_text *e)
{
	*out = NULL;
	struct frames *f = calloc(1, sizeof(*f));
	if (!f)
		return err_set(e, -ENOMEM, "out of memory");
	f->cfg = *cfg;
	f->fd = cfg->privileged_fds[0];
	f->hold = cfg->privileged_fds[1];
	bool own = f->fd < 0;
	int fds[4], rc = own ? frames_afpacket_socket(fds, e) : 0;
	if (rc)
		goto out;
	if (own) {
		f->fd = fds[0];
		f->hold = fds[1];
	}
	const struct lane_config lane = {.frames = &f->cfg, .packet = true, .fd_v4 = f->fd, .fd_v6 = f->fd};
	rc = sender_open(&f->sender, &lane, e);
	if (rc)
		goto out_socket;
	rc = socket_start(f);
	if (rc) {
		err_set(e, rc, "cannot set a packet socket up: %s", err_name(rc));
		goto out_socket;
	}
	*out = f;
	return 0;
out_socket:
	if (own)
		sockets_close(f->fd, f->hold);
out:
	frames_free(f);
	return rc;
}

static int afpacket_send(struct frames *f, const struct frame_desc *d, unsigned n, unsigned *taken)
{
	return sender_send(f->sender, d, n, taken);
}

static bool afpacket_idle(const struct frames *f)
{
	return sender_idle(f->sender);
}

static int batch_take(struct frames *f, struct frame_reply *r, unsigned max)
{
	int got = recv_batch_take(f->batch, f->fd, 0, max), n = 0;
	int64_t now = got > 0 ? clock_mono_ns() : 0;
	for (int i = 0; i < got; i++) {
		const struct sockaddr_ll *from = &recv_batch_name(f->batch, (unsigned)i)->ll;
		uint32_t len;
		const uint8_t *data = recv_batch_data(f->batch, (unsigned)i, &len);
		if (from->sll_hatype != ARPHRD_ETHER || len < LINK_HEADER)
			continue;
		r[n++] = (struct frame_reply){.data = data + LINK_HEADER,
					      .len = len - LINK_HEADER,
					      .ethertype = ntohs(from->sll_protocol),
					      .ifindex = (uint32_t)from->sll_ifindex,
					      .time_ns = now};
	}
	return got < 0 ? got : n;
}

static int afpacket_recv(struct frames *f, struct frame_reply *r, unsigned max)
{
	int n = f->ring ? (int)packet_ring_take(f->ring, r, max) : batch_take(f, r, max);
	for (int i = 0; f->cfg.trace && i < n; i++)
		f->cfg.trace(f->cfg.trace_ctx, false, r[i].data, r[i].len, r[i].ethertype);
	if (n > 0)
		f->received += (unsigned)n;
	return n;
}

static int afpacket_fd(const struct frames *f)
{
	return f->fd;
}

static void afpacket_stats(struct frames *f, struct frames_stats *out)
{
	struct tpacket_stats s;
	socklen_t len = sizeof(s);
	if (getsockopt(f->fd, SOL_PACKET, PACKET_STATISTICS, &s, &len) == 0)
		f->dropped += s.tp_drops; // reading sets the kernel's count back
	*out = (struct frames_stats){.received = f->received, .dropped = f->dropped};
	sender_stats(f->sender, out);
}

static int afpacket_close(struct frames *f)
{
	int fd = f->fd, hold = f->hold;
	frames_free(f);
	return sockets_close(fd, hold);
}

const struct frames_ops frames_afpacket = {
	.name = "afpacket",
	.open = afpacket_open,
	.send = afpacket_send,
	.idle = afpacket_idle,
	.recv = afpacket_recv,
	.fd = afpacket_fd,
	.stats = afpacket_stats,
	.close = afpacket_close,
};
