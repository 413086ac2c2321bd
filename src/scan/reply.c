#include "scan/reply.h"

void sweep_reply_from(struct sweep_reply *out, const struct probe_answer *a)
{
	*out = (struct sweep_reply){
		.target = a->target,
		.port = a->port,
		.technique = a->technique,
		.try_no = a->try_no,
		.state = a->state,
		.reason = a->reason,
		.ttl = a->ttl,
		.window = a->window,
		.options = a->options,
		.options_len = a->options_len,
	};
	if (a->from_other)
		out->from = a->from;
}
