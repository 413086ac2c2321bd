// Half-open scanning: a SYN whose sequence number is the cookie (RFC 9293, 3.5 and 3.10.7).
#include <netinet/in.h>

#include "probe/common.h"

static int make_template(const struct probe_env *env, enum addr_family family, struct frame_template *t)
{
	struct probe_tcp_shape shape = {.flags = TCP_SYN, .cookie_off = 4, .mss = !env->no_tcp_options};

	return probe_tcp_template(env, family, &shape, t);
}

static void aim(const struct probe_env *env, const struct addr *dst, uint16_t port, unsigned try_no,
		struct frame_desc *d)
{
	d->sport = probe_sport(env, try_no);
	d->dport = port;
	d->cookie = probe_cookie(env, TECHNIQUE_TCP_SYN, dst, d->sport, port);
}

static enum probe_verdict classify_segment(const struct probe_env *env, const struct packet_view *v,
					   struct probe_answer *out)
{
	uint8_t flags = v->flags & (TCP_SYN | TCP_RST | TCP_ACK);
	bool open = flags == (TCP_SYN | TCP_ACK);
	uint8_t try_no;

	if (!open && flags != (TCP_RST | TCP_ACK))
		return PROBE_NOT_OURS;
	if (!probe_try(env, v->dport, &try_no))
		return PROBE_NOT_OURS;
	if (v->ack - 1 != probe_cookie(env, TECHNIQUE_TCP_SYN, &v->src, v->dport, v->sport))
		return PROBE_REJECTED;
	*out = (struct probe_answer){
		.target = v->src,
		.port = v->sport,
		.try_no = try_no,
		.technique = TECHNIQUE_TCP_SYN,
		.state = open ? STATE_OPEN : STATE_CLOSED,
		.reason = open ? REASON_SYN_ACK : REASON_RESET,
		.ttl = v->ttl,
		.window = v->window,
		.options = v->options,
		.options_len = v->options_len,
	};
	return PROBE_ANSWER;
}

static enum probe_verdict classify_error(const struct probe_env *env, const struct packet_view *v,
					 struct probe_answer *out)
{
	const struct packet_quote *q = &v->quoted;
	struct probe_error e;
	uint8_t try_no;

	if (q->protocol != IPPROTO_TCP || !probe_try(env, q->sport, &try_no) || !probe_error_read(v, &e))
		return PROBE_NOT_OURS;
	if (q->seq != probe_cookie(env, TECHNIQUE_TCP_SYN, &q->dst, q->sport, q->dport))
		return PROBE_REJECTED;
	probe_error_fill(v, TECHNIQUE_TCP_SYN, try_no, out);
	out->port = q->dport;
	out->state = STATE_FILTERED;
	out->reason = e.reason;
	return PROBE_ANSWER;
}

static enum probe_verdict classify(const struct probe_env *env, const struct packet_view *v,
				   struct probe_answer *out)
{
	switch (v->kind) {
	case PACKET_TCP:
		return classify_segment(env, v, out);
	case PACKET_ICMP_ERROR:
		return classify_error(env, v, out);
	default:
		return PROBE_NOT_OURS;
	}
}

const struct probe_ops probe_tcp_syn = {
	.name = "syn",
	.technique = TECHNIQUE_TCP_SYN,
	.silent_state = STATE_FILTERED,
	.has_port = true,
	.v4 = true,
	.v6 = true,
	.make_template = make_template,
	.aim = aim,
	.classify = classify,
};
