#include "transport/xdp/shapes.h"

#include <string.h>

#include "base/endian.h"

#define LINK_HEADER 14
#define MAC_LEN     6
#define LEAST       60 // Ethernet's least frame, without its checksum
#define EXPERIMENT  0x88b5

static uint8_t moved(unsigned offset)
{
	return offset ? (uint8_t)(offset + LINK_HEADER) : 0;
}

void xdp_shape(struct xdp_template *out, const struct frame_template *t)
{
	unsigned len = LINK_HEADER + (unsigned)t->len;
	*out = (struct xdp_template){
		.ip_sum = t->ip_sum,
		.l4_sum = t->l4_sum,
		.len = (uint16_t)(len < LEAST ? LEAST : len),
		.v6 = t->family == ADDR_V6,
		.link = t->link,
		.l4_pseudo = t->l4_pseudo,
		.src_off = moved(t->src_off),
		.dst_off = moved(t->dst_off),
		.target_off = moved(t->target_off),
		.mac_off = moved(t->mac_off),
		.ip_id_off = moved(t->ip_id_off),
		.ip_csum_off = moved(t->ip_csum_off),
		.sport_off = moved(t->sport_off),
		.dport_off = moved(t->dport_off),
		.cookie_off = moved(t->cookie_off),
		.l4_csum_off = moved(t->l4_csum_off),
	};
	memcpy(out->bytes + LINK_HEADER, t->bytes, t->len);
	store_be16(out->bytes + 2 * MAC_LEN, t->ethertype);
	if (t->link == TEMPLATE_BROADCAST)
		memset(out->bytes, 0xff, MAC_LEN);
}

void xdp_shape_trial(struct xdp_template *out, const uint8_t mac[6], unsigned len)
{
	*out = (struct xdp_template){.plain = 1, .len = (uint16_t)len};
	memcpy(out->bytes, mac, MAC_LEN);
	memcpy(out->bytes + MAC_LEN, mac, MAC_LEN);
	store_be16(out->bytes + 2 * MAC_LEN, EXPERIMENT);
}

void xdp_shape_hop(struct xdp_hop *out, const struct frame_hop *h, uint32_t port)
{
	*out = (struct xdp_hop){.port = port, .source_hi = h->source.hi, .source_lo = h->source.lo};
	memcpy(out->dst_mac, h->dst_mac, MAC_LEN);
	memcpy(out->src_mac, h->src_mac, MAC_LEN);
}
