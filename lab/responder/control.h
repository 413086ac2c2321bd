// How the tool talks with a running responder: one request and one reply over a socket that only its network
// namespace sees, and that ends with it. Only root and the responder's own user are heard.
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "responder/truth.h"

enum control_op { CONTROL_READ, CONTROL_SET };
enum control_pass { PASS_KEEP, PASS_ON, PASS_OFF };

struct control_request {
	uint32_t op, pass;
	struct responder_settings settings;
};

struct control_reply {
	int32_t error; // -errno; the rest holds what is so after the request
	uint32_t passing;
	struct responder_settings settings;
	struct responder_counts counts;
	uint64_t sent, unsent, waiting; // extras
};

// The responder's side: a listening socket, and a caller's request on it. control_take returns the connection
// to be answered and closed by control_reply, or -errno.
int control_listen(const char *iface, struct err_text *e) MUST_CHECK;
int control_take(int listener, struct control_request *request) MUST_CHECK;
void control_reply(int connection, const struct control_reply *reply);

// The caller's side.
int control_ask(const char *iface, const struct control_request *request, struct control_reply *reply,
		struct err_text *e) MUST_CHECK;
