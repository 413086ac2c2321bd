// RFC 826 for Ethernet and IPv4.
#include <string.h>

#include "base/endian.h"
#include "packet/private.h"

#define ARP_LEN          28
#define ARP_HTYPE_ETHER  1
#define ARP_OP_REPLY     2
#define ARP_MAC_LEN      6
#define ARP_PROTOCOL_LEN 4

int arp_parse(const uint8_t *data, size_t len, struct packet_view *v)
{
	if (len < ARP_LEN)
		return ERR_TRUNCATED;
	if (load_be16(data) != ARP_HTYPE_ETHER || load_be16(data + 2) != ETHERTYPE_IPV4 ||
	    data[4] != ARP_MAC_LEN || data[5] != ARP_PROTOCOL_LEN)
		return ERR_SYNTAX;
	v->src = addr_v4(load_be32(data + 14));
	v->dst = addr_v4(load_be32(data + 24));
	if (load_be16(data + 6) != ARP_OP_REPLY)
		return 0;
	v->kind = PACKET_ARP_REPLY;
	v->neighbour = v->src;
	memcpy(v->neighbour_mac, data + 8, ARP_MAC_LEN);
	v->neighbour_mac_known = true;
	return 0;
}
