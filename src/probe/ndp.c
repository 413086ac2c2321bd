// RFC 4861, 4.3 and 7.2.2: a solicitation to the target's solicited-node group, with our link address.
#include <netinet/icmp6.h>
#include <netinet/in.h>

#include "probe/common.h"

#define NDP_HOP_LIMIT    255
#define SOLICIT_HEADER   24
#define OPTION_LINK_ADDR 8

static int make_template(const struct probe_env *env, enum addr_family family, struct frame_template *t)
{
	(void)env;
	if (family != ADDR_V6)
		return ERR_UNSUPPORTED;

	int rc = template_ip(t, family, NDP_HOP_LIMIT, IPPROTO_ICMPV6, SOLICIT_HEADER + OPTION_LINK_ADDR);

	if (rc)
		return rc;

	uint8_t *icmp = t->bytes + t->l4_off;

	icmp[0] = ND_NEIGHBOR_SOLICIT;
	icmp[SOLICIT_HEADER] = ND_OPT_SOURCE_LINKADDR;
	icmp[SOLICIT_HEADER + 1] = 1; // in units of 8 bytes
	t->link = TEMPLATE_SOLICITED;
	t->l4_csum_off = (uint8_t)(t->l4_off + 2);
	t->target_off = (uint8_t)(t->l4_off + 8);
	t->mac_off = (uint8_t)(t->l4_off + SOLICIT_HEADER + 2);
	template_seal(t);
	return 0;
}

static enum probe_verdict classify(const struct probe_env *env, const struct packet_view *v,
				   struct probe_answer *out)
{
	(void)env;
	if (v->kind != PACKET_NEIGHBOUR_ADVERT || v->ttl != NDP_HOP_LIMIT)
		return PROBE_NOT_OURS;
	probe_neighbour_fill(v, TECHNIQUE_NDP, REASON_ND_RESPONSE, out);
	return PROBE_ANSWER;
}

const struct probe_ops probe_ndp = {
	.name = "ndp",
	.technique = TECHNIQUE_NDP,
	.silent_state = STATE_DOWN,
	.v6 = true,
	.make_template = make_template,
	.aim = probe_neighbour_aim,
	.classify = classify,
};
