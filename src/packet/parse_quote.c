// The packet inside an ICMP error: RFC 792 promises its header and 8 bytes, RFC 4443 what fits.
#include <netinet/in.h>

#include "base/endian.h"
#include "packet/private.h"

#define QUOTED_MIN 8 // bytes of layer 4 without which a quote tells nothing

static void quote_tcp(const uint8_t *data, size_t len, struct packet_quote *q)
{
	q->sport = load_be16(data);
	q->dport = load_be16(data + 2);
	q->seq = load_be32(data + 4);
	if (len >= 12) {
		q->ack = load_be32(data + 8);
		q->ack_known = true;
	}
}

static void quote_icmp(const uint8_t *data, size_t len, struct packet_quote *q)
{
	q->icmp_type = data[0];
	q->icmp_id = load_be16(data + 4);
	q->icmp_seq = load_be16(data + 6);
	if (len >= 12) {
		q->icmp_cookie = load_be32(data + 8);
		q->icmp_cookie_known = true;
	}
}

void quote_parse(const uint8_t *data, size_t len, enum addr_family family, struct packet_quote *q)
{
	struct ip_header ip;
	int rc = family == ADDR_V6 ? ipv6_parse(data, len, true, &ip) : ipv4_parse(data, len, true, &ip);

	*q = (struct packet_quote){0};
	if (ip.addresses_known) {
		q->src = ip.src;
		q->dst = ip.dst;
	}
	if (rc || ip.payload_len < QUOTED_MIN)
		return;
	q->protocol = ip.protocol;
	switch (ip.protocol) {
	case IPPROTO_TCP:
		quote_tcp(ip.payload, ip.payload_len, q);
		break;
	case IPPROTO_UDP:
		q->sport = load_be16(ip.payload);
		q->dport = load_be16(ip.payload + 2);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		quote_icmp(ip.payload, ip.payload_len, q);
		break;
	default:
		break;
	}
}
