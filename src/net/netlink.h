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
