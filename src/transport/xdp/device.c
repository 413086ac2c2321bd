#include "transport/xdp/device.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "transport/xdp/faults.h"

// The netdev family (Documentation/netlink/specs/netdev.yaml), younger than Debian 12's headers.
#define NETDEV_FAMILY   "netdev"
#define CMD_DEV_GET     1
#define ATTR_IFINDEX    1
#define ATTR_FEATURES   3
#define FEATURE_NDO     (1u << 2)
#define TEXT_MAX        32768
#define COUNTER_SENT    9 // columns behind the name
#define COUNTER_REFUSED 11

struct query {
	struct mnl_socket *nl;
	uint16_t wanted; // attribute
	uint64_t value;
	bool found;
};

static int on_attribute(const struct nlattr *a, void *ctx)
{
	struct query *q = ctx;
	if (mnl_attr_get_type(a) != q->wanted)
		return MNL_CB_OK;
	q->value =
		mnl_attr_get_payload_len(a) >= sizeof(uint64_t) ? mnl_attr_get_u64(a) : mnl_attr_get_u16(a);
	q->found = true;
	return MNL_CB_OK;
}

static int on_message(const struct nlmsghdr *h, void *ctx)
{
	return mnl_attr_parse(h, sizeof(struct genlmsghdr), on_attribute, ctx);
}

static int ask(struct query *q, struct nlmsghdr *h)
{
	char answer[4096];
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	h->nlmsg_seq = (uint32_t)time(NULL);
	if (mnl_socket_sendto(q->nl, h, h->nlmsg_len) < 0)
		return -errno;
	for (int more = MNL_CB_OK; more > MNL_CB_STOP;) {
		ssize_t n = mnl_socket_recvfrom(q->nl, answer, sizeof(answer));
		if (n < 0)
			return -errno;
		more = mnl_cb_run(answer, (size_t)n, h->nlmsg_seq, mnl_socket_get_portid(q->nl), on_message,
				  q);
		if (more < 0)
			return -errno;
	}
	return q->found ? 0 : -ENOENT;
}

static struct nlmsghdr *begin(char *buf, uint16_t type, uint8_t command)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	h->nlmsg_type = type;
	g->cmd = command;
	g->version = 1;
	return h;
}

// The kernel's own word; an error when it has none.
static int features(uint32_t ifindex, uint64_t *out)
{
	char buf[256];
	struct query q = {.nl = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC),
			  .wanted = CTRL_ATTR_FAMILY_ID};
	if (!q.nl)
		return -errno;
	int rc = mnl_socket_bind(q.nl, 0, MNL_SOCKET_AUTOPID) ? -errno : 0;
	if (rc)
		goto out;
	struct nlmsghdr *h = begin(buf, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	mnl_attr_put_strz(h, CTRL_ATTR_FAMILY_NAME, NETDEV_FAMILY);
	rc = ask(&q, h);
	if (rc)
		goto out;
	h = begin(buf, (uint16_t)q.value, CMD_DEV_GET);
	mnl_attr_put_u32(h, ATTR_IFINDEX, ifindex);
	q.wanted = ATTR_FEATURES;
	q.found = false;
	rc = ask(&q, h);
	*out = q.value;
out:
	mnl_socket_close(q.nl);
	return rc;
}

static bool kernel_is_old(struct err_text *e)
{
	struct utsname u;
	char *end;
	if (uname(&u))
		return false;
	unsigned long major = strtoul(u.release, &end, 10),
		      minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	if (major == 0) // no number: trying tells
		return false;
	if (major > 5 || (major == 5 && minor >= 18))
		return false;
	err_set(e, ERR_UNSUPPORTED, "XDP live frames need Linux 5.18, this is %s", u.release);
	return true;
}

int xdp_device_check(uint32_t ifindex, const struct log *log, struct err_text *e)
{
	char name[IF_NAMESIZE] = "?";
	uint64_t able = 0;
	struct bpf_xdp_query_opts attached = {.sz = sizeof(attached)};
	if (kernel_is_old(e))
		return ERR_UNSUPPORTED;
	if_indextoname(ifindex, name);
	if (bpf_xdp_query((int)ifindex, 0, &attached) == 0 && attached.attach_mode != XDP_ATTACHED_NONE)
		return err_set(e, ERR_UNSUPPORTED, "another XDP program is attached to %s", name);
	if (features(ifindex, &able) == 0 && !(able & FEATURE_NDO))
		return err_set(e, ERR_UNSUPPORTED,
			       "%s cannot send from XDP (its driver has no NDO_XMIT; of a veth pair the "
			       "other end needs "
			       "an XDP program)",
			       name);
	return faults_check(name, log, e);
}

int xdp_counters_open(void)
{
	int fd = open("/proc/self/net/dev", O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool columns(const char *at, struct xdp_device_counts *out)
{
	char *end;
	for (int i = 0; i <= COUNTER_REFUSED; i++, at = end) {
		unsigned long long value = strtoull(at, &end, 10);
		if (end == at)
			return false;
		if (i == COUNTER_SENT)
			out->sent = value;
		else if (i == COUNTER_REFUSED)
			out->refused = value;
	}
	return true;
}

bool xdp_counters_read(int fd, const char *name, struct xdp_device_counts *out)
{
	char text[TEXT_MAX], wanted[IF_NAMESIZE + 2];
	ssize_t n, have = 0;
	while (have < TEXT_MAX - 1 && (n = pread(fd, text + have, (size_t)(TEXT_MAX - 1 - have), have)) > 0)
		have += n;
	text[have] = '\0';
	size_t len = (size_t)snprintf(wanted, sizeof(wanted), "%s:", name);
	for (char *save, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		line += strspn(line, " ");
		if (strncmp(line, wanted, len) == 0)
			return columns(line + len, out);
	}
	return false;
}
