// Private to net/: one rtnetlink socket and whole dumps over it.
#pragma once

#include <libmnl/libmnl.h>
#include <stdint.h>

#include "base/err.h"

// The kernel fills up to this much per read of a dump.
#define NETLINK_BYTES 32768

// `groups`: RTMGRP_* to listen to. NULL with a text on failure.
struct mnl_socket *netlink_open(unsigned groups, struct err_text *e);

// Sends one dump request (RTM_GET…).
int netlink_ask(struct mnl_socket *nl, uint16_t type, uint8_t family) MUST_CHECK;

// Asks and hands every message of the answer to `cb` (libmnl's conventions).
// -EINTR when the kernel says that the dump was overtaken by a change: start again.
int netlink_dump(struct mnl_socket *nl, uint16_t type, uint8_t family, mnl_cb_t cb, void *data) MUST_CHECK;

// libmnl's own macro casts const away.
#define netlink_attr_for_each(a, h, skip)                                                              \
	for ((a) = mnl_nlmsg_get_payload_offset((h), (skip));                                          \
	     mnl_attr_ok((a), (int)((const char *)mnl_nlmsg_get_payload_tail(h) - (const char *)(a))); \
	     (a) = mnl_attr_next(a))
