// Host discovery by an ACK nobody expects: the reset takes its sequence number from our acknowledgement
// number, which is the cookie (RFC 9293, 3.10.7.1).
#include <netinet/in.h>

#include "probe/common.h"

static int make_template(const struct probe_env *env, enum addr_family family, struct frame_template *t)
{
	static const struct probe_tcp_shape shape = {.flags = TCP_ACK, .cookie_off = 8};

	return probe_tcp_template(env, family, &shape, t);
}

static void aim(const struct probe_env *env, const struct addr *dst, uint16_t port, unsigned try_no,
		struct frame_desc *d)
{
	d->sport = probe_sport(env, try_no);
	d->dport = port;
	d->cookie = probe_cookie(env, TECHNIQUE_TCP_ACK, dst, d->sport, port);
}

static enum probe_verdict classify_segment(const struct probe_env *env, const struct packet_view *v,
					   struct probe_answer *out)
{
	uint8_t try_no;

	if ((v->flags & (TCP_RST | TCP_SYN)) != TCP_RST || !probe_try(env, v->dport, &try_no))
		return PROBE_NOT_OURS;
	if (v->seq != probe_cookie(env, TECHNIQUE_TCP_ACK, &v->src, v->dport, v->sport))
		return PROBE_REJECTED;
	*out = (struct probe_answer){
		.target = v->src,
		.port = v->sport,
		.try_no = try_no,
		.technique = TECHNIQUE_TCP_ACK,
		.state = STATE_UP,
		.reason = REASON_RESET,
		.ttl = v->ttl,
		.window = v->window,
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
	// A quote of only 8 bytes ends before our number: nothing proves that it is ours.
	if (!q->ack_known || q->ack != probe_cookie(env, TECHNIQUE_TCP_ACK, &q->dst, q->sport, q->dport))
		return PROBE_REJECTED;
	probe_error_discovery(v, &e, TECHNIQUE_TCP_ACK, try_no, out);
	out->port = q->dport;
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

const struct probe_ops probe_tcp_ack = {
	.name = "ack",
	.technique = TECHNIQUE_TCP_ACK,
	.silent_state = STATE_DOWN,
	.has_port = true,
	.v4 = true,
	.v6 = true,
	.make_template = make_template,
	.aim = aim,
	.classify = classify,
};
