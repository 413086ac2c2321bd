#include "probe/common.h"

static const struct probe_ops *const all[TECHNIQUE_COUNT] = {
	[TECHNIQUE_TCP_SYN] = &probe_tcp_syn,
	[TECHNIQUE_TCP_CONNECT] = &probe_tcp_connect,
	[TECHNIQUE_TCP_ACK] = &probe_tcp_ack,
	[TECHNIQUE_ICMP_ECHO] = &probe_icmp_echo,
	[TECHNIQUE_ICMP_TIMESTAMP] = &probe_icmp_timestamp,
	[TECHNIQUE_ARP] = &probe_arp,
	[TECHNIQUE_NDP] = &probe_ndp,
};

const struct probe_ops *probe_get(enum technique t)
{
	return (unsigned)t < TECHNIQUE_COUNT ? all[t] : NULL;
}

enum probe_verdict probe_classify(const struct probe_env *env, uint32_t technique_mask,
				  const struct packet_view *v, struct probe_answer *out)
{
	enum probe_verdict verdict = PROBE_NOT_OURS;

	for (unsigned t = 0; t < TECHNIQUE_COUNT; t++) {
		if (!(technique_mask >> t & 1) || !all[t]->classify)
			continue;
		switch (all[t]->classify(env, v, out)) {
		case PROBE_ANSWER:
			return PROBE_ANSWER;
		case PROBE_REJECTED:
			verdict = PROBE_REJECTED;
			break;
		case PROBE_NOT_OURS:
			break;
		}
	}
	return verdict;
}
