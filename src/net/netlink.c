#include "net/netlink.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

struct mnl_socket *netlink_open(unsigned groups, struct err_text *e)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!nl) {
		err_set(e, -errno, "cannot open a netlink socket: %s", err_name(-errno));
		return NULL;
	}
	// Without groups the first request binds it.
	if (groups && mnl_socket_bind(nl, groups, MNL_SOCKET_AUTOPID) < 0) {
		err_set(e, -errno, "cannot bind a netlink socket: %s", err_name(-errno));
		mnl_socket_close(nl);
		return NULL;
	}
	return nl;
}

int netlink_ask(struct mnl_socket *nl, uint16_t type, uint8_t family)
{
	_Alignas(struct nlmsghdr) uint8_t buf[64];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	h->nlmsg_seq = type;
	struct rtgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->rtgen_family = family;
	return mnl_socket_sendto(nl, h, h->nlmsg_len) < 0 ? -errno : 0;
}

int netlink_dump(struct mnl_socket *nl, uint16_t type, uint8_t family, mnl_cb_t cb, void *data)
{
	_Alignas(struct nlmsghdr) uint8_t buf[NETLINK_BYTES];
	int rc = netlink_ask(nl, type, family);
	while (rc == 0) {
		ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		int more = mnl_cb_run(buf, (size_t)n, type, mnl_socket_get_portid(nl), cb, data);
		if (more < 0)
			return -errno;
		if (more == MNL_CB_STOP)
			break;
	}
	return rc;
}
