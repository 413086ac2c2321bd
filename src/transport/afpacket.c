// One packet socket for everything: sending on any number of interfaces, and receiving. Sending threads have
// a socket each, so that they share no counters with the receiver and wake nobody; there are such only where
// closing them costs nothing (late_close.h), since each would take an RCU grace period of its own.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
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
#define RING_FROM   20000u // frames; from here a receive ring is worth its set-up

struct frames {
	struct frames_config cfg;
	int fds[4]; // as in privileged_fds
	struct sender *sender;
	struct recv_batch *batch; // or
	struct packet_ring *ring;
	uint64_t received, dropped;
};

enum { MAIN, WORKER, WORKER2, HOLD, SOCKETS }; // places in privileged_fds

static int socket_open(void)
{
	// Protocol 0: nothing arrives before the filter is there and the socket is bound.
	return socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
}

static int sockets_close(const int fds[SOCKETS])
{
	int rc = 0;
	for (int i = 0; i < SOCKETS; i++)
		if (fds[i] >= 0 && close(fds[i]) && rc == 0)
			rc = -errno;
	return rc;
}

static void workers_open(int fds[SOCKETS])
{
	fds[HOLD] = late_close_open();
	if (fds[HOLD] < 0)
		return;
	fds[WORKER] = socket_open();
	fds[WORKER2] = socket_open();
	if (fds[WORKER] >= 0 && fds[WORKER2] >= 0 && late_close_hold(fds[HOLD], fds, HOLD))
		return;
	sockets_close((const int[SOCKETS]){-1, fds[WORKER], fds[WORKER2], fds[HOLD]});
	fds[WORKER] = fds[WORKER2] = fds[HOLD] = -1;
}

int frames_afpacket_socket(int fds[4], struct err_text *e)
{
	fds[HOLD] = fds[WORKER] = fds[WORKER2] = -1;
	fds[MAIN] = socket_open();
	if (fds[MAIN] >= 0) {
		socket_buffer_grow(fds[MAIN]);
		workers_open(fds);
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
	int rc = filter_attach(f->fds[MAIN], &filter);
	if (rc)
		return rc;
	// A ring that cannot be had is no reason to fail.
	if (cfg->expected >= RING_FROM && packet_ring_open(&f->ring, f->fds[MAIN], cfg->expected / 8) == 0)
		return 0;
	f->batch = recv_batch_new(f->cfg.recv_batch ? f->cfg.recv_batch : FRAMES_RECV_DEFAULT);
	return f->batch ? 0 : -ENOMEM;
}

static int socket_start(struct frames *f)
{
	uint16_t protocol = protocol_for(&f->cfg);
	int rc = receive_prepare(f);
	if (rc == 0 && protocol == ETH_P_ALL)
		rc = set_one(f->fds[MAIN], PACKET_IGNORE_OUTGOING);
	for (int i = MAIN; i < SOCKETS && rc == 0 && f->cfg.qdisc_bypass; i++)
		if (i != HOLD && f->fds[i] >= 0 && (i == MAIN || f->cfg.send_threads))
			rc = set_one(f->fds[i], PACKET_QDISC_BYPASS);
	if (rc)
		return rc;
	const struct sockaddr_ll any = {.sll_family = AF_PACKET, .sll_protocol = htons(protocol)};
	return bind(f->fds[MAIN], (const struct sockaddr *)&any, sizeof(any)) ? -errno : 0;
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
	memcpy(f->fds, cfg->privileged_fds, sizeof(f->fds));
	bool own = f->fds[MAIN] < 0;
	int rc = own ? frames_afpacket_socket(f->fds, e) : 0;
	if (rc)
		goto out;
	const struct lane_config lane = {.frames = &f->cfg,
					 .packet = true,
					 .fd_v4 = f->fds[MAIN],
					 .fd_v6 = f->fds[MAIN],
					 .worker_fds = {f->fds[WORKER], f->fds[WORKER2]}};
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
		sockets_close(f->fds);
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

static int64_t afpacket_waiting_since(const struct frames *f)
{
	return sender_waiting_since(f->sender);
}

static int batch_take(struct frames *f, struct frame_reply *r, unsigned max)
{
	int got = recv_batch_take(f->batch, f->fds[MAIN], 0, max), n = 0;
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
	return f->fds[MAIN];
}

static void afpacket_stats(struct frames *f, struct frames_stats *out)
{
	struct tpacket_stats s;
	socklen_t len = sizeof(s);
	if (getsockopt(f->fds[MAIN], SOL_PACKET, PACKET_STATISTICS, &s, &len) == 0)
		f->dropped += s.tp_drops; // reading sets the kernel's count back
	*out = (struct frames_stats){.received = f->received, .dropped = f->dropped};
	sender_stats(f->sender, out);
}

static int afpacket_close(struct frames *f)
{
	int fds[SOCKETS];
	memcpy(fds, f->fds, sizeof(fds));
	frames_free(f);
	return sockets_close(fds);
}

const struct frames_ops frames_afpacket = {
	.name = "afpacket",
	.open = afpacket_open,
	.send = afpacket_send,
	.idle = afpacket_idle,
	.waiting_since = afpacket_waiting_since,
	.recv = afpacket_recv,
	.fd = afpacket_fd,
	.stats = afpacket_stats,
	.close = afpacket_close,
};
