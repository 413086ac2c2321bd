// RFC 792 (echo), RFC 4443, 4.1 and 4.2.
#include <linux/icmp.h>
#include <netinet/icmp6.h>

#include "probe/common.h"

#define BODY_LEN 4

static const struct probe_icmp_shape echo = {
	.technique = TECHNIQUE_ICMP_ECHO,
	.reason = REASON_ECHO_REPLY,
	.request_v4 = ICMP_ECHO,
	.reply_v4 = ICMP_ECHOREPLY,
	.request_v6 = ICMP6_ECHO_REQUEST,
	.reply_v6 = ICMP6_ECHO_REPLY,
};

static int make_template(const struct probe_env *env, enum addr_family family, struct frame_template *t)
{
	uint8_t type = family == ADDR_V6 ? echo.request_v6 : echo.request_v4;

	return probe_icmp_template(env, family, type, BODY_LEN, t);
}

static void aim(const struct probe_env *env, const struct addr *dst, uint16_t port, unsigned try_no,
		struct frame_desc *d)
{
	(void)port;
	probe_icmp_aim(env, &echo, dst, try_no, d);
}

static enum probe_verdict classify(const struct probe_env *env, const struct packet_view *v,
				   struct probe_answer *out)
{
	return probe_icmp_classify(env, &echo, v, out);
}

const struct probe_ops probe_icmp_echo = {
	.name = "icmp-echo",
	.technique = TECHNIQUE_ICMP_ECHO,
	.silent_state = STATE_DOWN,
	.v4 = true,
	.v6 = true,
	.make_template = make_template,
	.aim = aim,
	.classify = classify,
};
