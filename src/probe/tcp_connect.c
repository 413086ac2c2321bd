// Connect scanning goes through a stream transport: only its names and states are here.
#include "probe/common.h"

const struct probe_ops probe_tcp_connect = {
	.name = "connect",
	.technique = TECHNIQUE_TCP_CONNECT,
	.silent_state = STATE_FILTERED,
	.has_port = true,
	.v4 = true,
	.v6 = true,
};
