// RFC 826: who has the target's address?
#include "base/endian.h"
#include "probe/common.h"

#define ARP_PADDED      46 // the least that Ethernet carries
#define ARP_HTYPE_ETHER 1
#define ARP_OP_REQUEST  1

static int make_template(const struct probe_env *env, enum addr_family family, struct frame_template *t)
{
	(void)env;
	if (family != ADDR_V4)
		return ERR_UNSUPPORTED;
	*t = (struct frame_template){
		.len = ARP_PADDED,
		.ethertype = ETHERTYPE_ARP,
		.family = ADDR_V4,
		.link = TEMPLATE_BROADCAST,
		.mac_off = 8,
		.src_off = 14,
		.target_off = 24,
	};
	store_be16(t->bytes, ARP_HTYPE_ETHER);
	store_be16(t->bytes + 2, ETHERTYPE_IPV4);
	t->bytes[4] = 6;
	t->bytes[5] = 4;
	store_be16(t->bytes + 6, ARP_OP_REQUEST);
	template_seal(t);
	return 0;
}

static enum probe_verdict classify(const struct probe_env *env, const struct packet_view *v,
				   struct probe_answer *out)
{
	(void)env;
	if (v->kind != PACKET_ARP_REPLY)
		return PROBE_NOT_OURS;
	probe_neighbour_fill(v, TECHNIQUE_ARP, REASON_ARP_RESPONSE, out);
	return PROBE_ANSWER;
}

const struct probe_ops probe_arp = {
	.name = "arp",
	.technique = TECHNIQUE_ARP,
	.silent_state = STATE_DOWN,
	.v4 = true,
	.make_template = make_template,
	.aim = probe_neighbour_aim,
	.classify = classify,
};
