#include "result/record.h"

#include <stddef.h>

static const char *const state_names[] = {
#define X(name, text) [STATE_##name] = (text),
	PORT_STATES(X)
#undef X
};

static const char *const reason_names[] = {
#define X(name, text) [REASON_##name] = (text),
	REASONS(X)
#undef X
};

// The order of enum proto in target/ports.h; a unit test compares the two.
static const char *const proto_names[] = {"tcp", "udp", "sctp"};

const char *state_name(enum port_state s)
{
	return (unsigned)s < STATE_COUNT ? state_names[s] : state_names[STATE_UNKNOWN];
}

const char *reason_name(enum reason r)
{
	return (unsigned)r < REASON_COUNT ? reason_names[r] : reason_names[REASON_NONE];
}

const char *record_proto_name(uint8_t proto)
{
	return proto < sizeof(proto_names) / sizeof(proto_names[0]) ? proto_names[proto] : "ip";
}
