// What echo and timestamp have in common: the identifier names the try, the sequence number and four bytes of
// the body carry the cookie.
#include <netinet/in.h>

#include "base/endian.h"
#include "probe/common.h"

#define ICMP_HEADER 8

int probe_icmp_template(const struct probe_env *env, enum addr_family family, uint8_t type, uint8_t body_len,
			struct frame_template *t)
{
	uint8_t protocol = family == ADDR_V6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	int rc = template_ip(t, family, probe_ttl(env), protocol, (size_t)ICMP_HEADER + body_len);

	if (rc)
		return rc;
	t->bytes[t->l4_off] = type;
	t->l4_csum_off = (uint8_t)(t->l4_off + 2);
	t->sport_off = (uint8_t)(t->l4_off + 4);
	t->dport_off = (uint8_t)(t->l4_off + 6);
	t->cookie_off = (uint8_t)(t->l4_off + ICMP_HEADER);
	template_seal(t);
	return 0;
}

static uint32_t query_cookie(const struct probe_env *env, const struct probe_icmp_shape *shape,
			     const struct addr *dst, uint16_t id)
{
	return probe_cookie(env, shape->technique, dst, id, 0) | shape->cookie_set;
}

static uint16_t query_seq(uint32_t cookie)
{
	return (uint16_t)(cookie ^ cookie >> 16);
}

void probe_icmp_aim(const struct probe_env *env, const struct probe_icmp_shape *shape, const struct addr *dst,
		    unsigned try_no, struct frame_desc *d)
{
	d->sport = probe_sport(env, try_no);
	d->cookie = query_cookie(env, shape, dst, d->sport);
	d->dport = query_seq(d->cookie);
}

static enum probe_verdict classify_reply(const struct probe_env *env, const struct probe_icmp_shape *shape,
					 const struct packet_view *v, struct probe_answer *out)
{
	bool v6 = !addr_is_v4(&v->src);
	uint8_t try_no;

	if (v->icmp_type != (v6 ? shape->reply_v6 : shape->reply_v4) || v->icmp_code != 0 ||
	    !probe_try(env, v->icmp_id, &try_no))
		return PROBE_NOT_OURS;

	uint32_t cookie = query_cookie(env, shape, &v->src, v->icmp_id);

	if (v->icmp_seq != query_seq(cookie) || v->payload_len < 4 || load_be32(v->payload) != cookie)
		return PROBE_REJECTED;
	*out = (struct probe_answer){
		.target = v->src,
		.try_no = try_no,
		.technique = shape->technique,
		.state = STATE_UP,
		.reason = shape->reason,
		.ttl = v->ttl,
	};
	return PROBE_ANSWER;
}

static enum probe_verdict classify_error(const struct probe_env *env, const struct probe_icmp_shape *shape,
					 const struct packet_view *v, struct probe_answer *out)
{
	const struct packet_quote *q = &v->quoted;
	bool v6 = !addr_is_v4(&v->src);
	struct probe_error e;
	uint8_t try_no;

	if (q->protocol != (v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP) ||
	    q->icmp_type != (v6 ? shape->request_v6 : shape->request_v4) ||
	    !probe_try(env, q->icmp_id, &try_no) || !probe_error_read(v, &e))
		return PROBE_NOT_OURS;

	uint32_t cookie = query_cookie(env, shape, &q->dst, q->icmp_id);

	if (q->icmp_seq != query_seq(cookie) || (q->icmp_cookie_known && q->icmp_cookie != cookie))
		return PROBE_REJECTED;
	probe_error_discovery(v, &e, shape->technique, try_no, out);
	return PROBE_ANSWER;
}

enum probe_verdict probe_icmp_classify(const struct probe_env *env, const struct probe_icmp_shape *shape,
				       const struct packet_view *v, struct probe_answer *out)
{
	switch (v->kind) {
	case PACKET_ICMP:
		return classify_reply(env, shape, v, out);
	case PACKET_ICMP_ERROR:
		return classify_error(env, shape, v, out);
	default:
		return PROBE_NOT_OURS;
	}
}
