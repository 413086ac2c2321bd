// What ARP and neighbour discovery have in common: no ports, no number of ours in the answer, so it cannot
// tell its try.
#include <string.h>

#include "probe/common.h"

void probe_neighbour_aim(const struct probe_env *env, const struct addr *dst, uint16_t port, unsigned try_no,
			 struct frame_desc *d)
{
	(void)env;
	(void)dst;
	(void)port;
	(void)try_no;
	d->sport = 0;
	d->dport = 0;
	d->cookie = 0;
}

void probe_neighbour_fill(const struct packet_view *v, uint8_t technique, uint8_t reason,
			  struct probe_answer *out)
{
	*out = (struct probe_answer){
		.target = v->neighbour,
		.technique = technique,
		.state = STATE_UP,
		.reason = reason,
		.ttl = v->ttl,
		.mac_known = v->neighbour_mac_known,
	};
	memcpy(out->mac, v->neighbour_mac, sizeof(out->mac));
}
