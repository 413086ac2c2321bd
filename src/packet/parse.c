#include "packet/parse.h"

#include <netinet/in.h>

#include "packet/private.h"

static int parse_l4(const struct ip_header *ip, bool v6, struct packet_view *v)
{
	switch (ip->protocol) {
	case IPPROTO_TCP:
		return tcp_parse(ip->payload, ip->payload_len, v);
	case IPPROTO_UDP:
		return udp_parse(ip->payload, ip->payload_len, v);
	case IPPROTO_ICMP:
		return v6 ? 0 : icmpv4_parse(ip->payload, ip->payload_len, v);
	case IPPROTO_ICMPV6:
		return v6 ? icmpv6_parse(ip->payload, ip->payload_len, v) : 0;
	default:
		return 0;
	}
}

static int parse_ip(const uint8_t *data, size_t len, bool v6, struct packet_view *v)
{
	struct ip_header ip;
	int rc = v6 ? ipv6_parse(data, len, false, &ip) : ipv4_parse(data, len, false, &ip);

	if (rc)
		return rc;
	v->src = ip.src;
	v->dst = ip.dst;
	v->ttl = ip.ttl;
	v->protocol = ip.protocol;
	return parse_l4(&ip, v6, v);
}

int packet_parse(const uint8_t *data, size_t len, uint16_t ethertype, struct packet_view *v)
{
	*v = (struct packet_view){.kind = PACKET_OTHER};
	switch (ethertype) {
	case ETHERTYPE_IPV4:
		return parse_ip(data, len, false, v);
	case ETHERTYPE_IPV6:
		return parse_ip(data, len, true, v);
	case ETHERTYPE_ARP:
		return arp_parse(data, len, v);
	default:
		return ERR_SYNTAX;
	}
}
