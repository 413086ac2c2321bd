#include "endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_tun(const char *name)
{
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	memcpy(ifr.ifr_name, name, strlen(name) + 1);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

// With protocol 0 it receives nothing.
static int open_packet(const char *name, uint16_t protocol)
{
	struct sockaddr_ll addr = {.sll_family = AF_PACKET, .sll_protocol = htons(protocol)};
	int one = 1, bytes = 64 << 20, error;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	addr.sll_ifindex = (int)if_nametoindex(name);
	if (addr.sll_ifindex == 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) < 0 ||
	    bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		error = errno;
		close(fd);
		return -error;
	}
	return fd;
}

static int open_here(struct endpoint *endpoint, const char *name)
{
	if (endpoint->tun) {
		endpoint->in_fd = endpoint->out_fd = open_tun(name);
		return endpoint->in_fd < 0 ? endpoint->in_fd : 0;
	}
	endpoint->in_fd = open_packet(name, ETH_P_ALL);
	if (endpoint->in_fd < 0)
		return endpoint->in_fd;
	endpoint->out_fd = open_packet(name, 0);
	return endpoint->out_fd < 0 ? endpoint->out_fd : 0;
}

// Opens it from inside the namespace, and comes back.
static int open_inside(struct endpoint *endpoint, const char *netns, const char *name)
{
	int home, there, rc;

	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0)
		return -errno;
	there = open(netns, O_RDONLY | O_CLOEXEC);
	if (there < 0 || setns(there, CLONE_NEWNET) < 0) {
		rc = -errno;
		goto out;
	}
	rc = open_here(endpoint, name);
	if (setns(home, CLONE_NEWNET) < 0)
		rc = -errno;
out:
	if (there >= 0)
		close(there);
	close(home);
	return rc;
}

int endpoint_open(struct endpoint *endpoint, const char *text)
{
	const char *colon = strchr(text, ':'), *netns = strchr(text, '@');
	char name[IFNAMSIZ];
	size_t length;
	int rc;

	*endpoint = (struct endpoint){.in_fd = -1, .out_fd = -1, .tun = strncmp(text, "tun:", 4) == 0};
	if (!colon || (!endpoint->tun && strncmp(text, "packet:", 7) != 0))
		goto malformed;
	if (netns < colon && netns)
		goto malformed;
	length = netns ? (size_t)(netns - colon - 1) : strlen(colon + 1);
	if (length == 0 || length >= sizeof(name))
		goto malformed;
	memcpy(name, colon + 1, length);
	name[length] = '\0';
	rc = netns ? open_inside(endpoint, netns + 1, name) : open_here(endpoint, name);
	if (rc < 0)
		fprintf(stderr, "delaybox: %s: %s\n", text, strerror(-rc));
	return rc;
malformed:
	fprintf(stderr, "delaybox: %s: expected tun:NAME or packet:NAME, then perhaps @NETNS\n", text);
	return -EINVAL;
}

void endpoint_close(struct endpoint *endpoint)
{
	if (endpoint->out_fd >= 0 && endpoint->out_fd != endpoint->in_fd)
		close(endpoint->out_fd);
	if (endpoint->in_fd >= 0)
		close(endpoint->in_fd);
}

// Without a free slot packets are still taken off the interface, as a full link would lose them.
static int discard(const struct endpoint *endpoint, struct path *into)
{
	uint8_t scratch[PATH_SLOT_BYTES];
	int count = 0;

	while (count < ENDPOINT_BATCH && read(endpoint->in_fd, scratch, sizeof(scratch)) > 0)
		count++;
	count_add(&into->counts.came, (uint64_t)count);
	count_add(&into->counts.no_slot, (uint64_t)count);
	return count;
}

static int read_tun(const struct endpoint *endpoint, struct path *into, const uint32_t slots[], uint32_t max,
		    uint16_t lengths[])
{
	uint32_t count = 0;

	while (count < max) {
		ssize_t n = read(endpoint->in_fd, path_bytes(into, slots[count]), PATH_SLOT_BYTES);

		if (n < 0 && (count || errno == EAGAIN || errno == EINTR))
			break;
		if (n < 0)
			return -errno;
		lengths[count++] = (uint16_t)n;
	}
	return (int)count;
}

static int read_packet(const struct endpoint *endpoint, struct path *into, const uint32_t slots[],
		       uint32_t max, uint16_t lengths[])
{
	struct mmsghdr messages[ENDPOINT_BATCH];
	struct iovec parts[ENDPOINT_BATCH];
	int count;

	for (uint32_t i = 0; i < max; i++) {
		parts[i] = (struct iovec){path_bytes(into, slots[i]), PATH_SLOT_BYTES};
		messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[i], .msg_iovlen = 1}};
	}
	count = recvmmsg(endpoint->in_fd, messages, max, MSG_DONTWAIT, NULL);
	if (count < 0)
		return errno == EAGAIN || errno == EINTR || errno == ENETDOWN ? 0 : -errno;
	for (int i = 0; i < count; i++) {
		if (messages[i].msg_hdr.msg_flags & MSG_TRUNC)
			count_add(&into->counts.too_long, 1);
		lengths[i] = (uint16_t)messages[i].msg_len;
	}
	return count;
}

int endpoint_read(const struct endpoint *endpoint, struct path *into, uint64_t now_ns)
{
	uint32_t slots[ENDPOINT_BATCH], max = path_unused(into, ENDPOINT_BATCH, slots);
	uint16_t lengths[ENDPOINT_BATCH];
	int count;

	if (max == 0)
		return discard(endpoint, into);
	if (endpoint->tun)
		count = read_tun(endpoint, into, slots, max, lengths);
	else
		count = read_packet(endpoint, into, slots, max, lengths);
	if (count > 0)
		path_admit(into, slots, lengths, (uint32_t)count, now_ns);
	return count;
}

static uint32_t write_tun(const struct endpoint *endpoint, const struct path *from, const uint32_t slots[],
			  uint32_t count)
{
	uint32_t went = 0;

	for (uint32_t i = 0; i < count; i++)
		if (write(endpoint->out_fd, path_bytes(from, slots[i]), from->length[slots[i]]) > 0)
			went++;
	return went;
}

static uint32_t write_packet(const struct endpoint *endpoint, const struct path *from, const uint32_t slots[],
			     uint32_t count)
{
	struct mmsghdr messages[ENDPOINT_BATCH];
	struct iovec parts[ENDPOINT_BATCH];
	uint32_t went = 0, at = 0;

	for (uint32_t i = 0; i < count; i++) {
		parts[i] = (struct iovec){path_bytes(from, slots[i]), from->length[slots[i]]};
		messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[i], .msg_iovlen = 1}};
	}
	while (at < count) {
		int n = sendmmsg(endpoint->out_fd, messages + at, count - at, MSG_DONTWAIT);

		// The first of the rest was refused: it is lost, the others are not.
		went += n > 0 ? (uint32_t)n : 0;
		at += n > 0 ? (uint32_t)n : 1;
	}
	return went;
}

void endpoint_write(const struct endpoint *endpoint, struct path *from, const uint32_t slots[],
		    uint32_t count)
{
	uint32_t went;

	if (endpoint->tun)
		went = write_tun(endpoint, from, slots, count);
	else
		went = write_packet(endpoint, from, slots, count);
	count_add(&from->counts.went, went);
	count_add(&from->counts.refused, count - went);
}
