// RFC 792 (timestamp): the reply repeats our originate timestamp, which is the cookie.
#include <linux/icmp.h>

#include "probe/common.h"

#define BODY_LEN 12

static const struct probe_icmp_shape timestamp = {
	.technique = TECHNIQUE_ICMP_TIMESTAMP,
	.reason = REASON_TIMESTAMP_REPLY,
	.request_v4 = ICMP_TIMESTAMP,
	.reply_v4 = ICMP_TIMESTAMPREPLY,
	.cookie_set = 0x80000000U, // "not milliseconds since midnight"
};

static int make_template(const struct probe_env *env, enum addr_family family, struct frame_template *t)
{
	if (family != ADDR_V4)
		return ERR_UNSUPPORTED;
	return probe_icmp_template(env, family, timestamp.request_v4, BODY_LEN, t);
}

static void aim(const struct probe_env *env, const struct addr *dst, uint16_t port, unsigned try_no,
		struct frame_desc *d)
{
	(void)port;
	probe_icmp_aim(env, &timestamp, dst, try_no, d);
}

static enum probe_verdict classify(const struct probe_env *env, const struct packet_view *v,
				   struct probe_answer *out)
{
	return addr_is_v4(&v->src) ? probe_icmp_classify(env, &timestamp, v, out) : PROBE_NOT_OURS;
}

const struct probe_ops probe_icmp_timestamp = {
	.name = "icmp-timestamp",
	.technique = TECHNIQUE_ICMP_TIMESTAMP,
	.silent_state = STATE_DOWN,
	.v4 = true,
	.make_template = make_template,
	.aim = aim,
	.classify = classify,
};
