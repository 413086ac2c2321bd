// Neighbour advertisements: RFC 4861, sections 4.4, 4.6 and 7.1.2.
#include <string.h>

#include <netinet/icmp6.h>

#include "packet/private.h"

#define ADVERT_HEADER    24
#define ADVERT_HOP_LIMIT 255
#define OPTION_UNIT      8
#define MAC_LEN          6

static int walk_options(const uint8_t *p, size_t left, struct packet_view *v)
{
	while (left >= 2) {
		size_t size = (size_t)p[1] * OPTION_UNIT;

		if (size == 0)
			return ERR_SYNTAX;
		if (size > left)
			return ERR_TRUNCATED;
		if (p[0] == ND_OPT_TARGET_LINKADDR && size == OPTION_UNIT && !v->neighbour_mac_known) {
			memcpy(v->neighbour_mac, p + 2, MAC_LEN);
			v->neighbour_mac_known = true;
		}
		p += size;
		left -= size;
	}
	return left ? ERR_TRUNCATED : 0;
}

int advert_parse(const uint8_t *data, size_t len, struct packet_view *v)
{
	if (len < ADVERT_HEADER)
		return ERR_TRUNCATED;
	// A hop limit below 255 means that it came through a router: forged.
	if (v->ttl != ADVERT_HOP_LIMIT || data[1] != 0)
		return ERR_SYNTAX;
	v->icmp_type = data[0];
	v->icmp_code = data[1];
	v->neighbour = addr_v6(data + 8);
	if (data[8] == 0xff || addr_is_v4(&v->neighbour))
		return ERR_SYNTAX;

	int rc = walk_options(data + ADVERT_HEADER, len - ADVERT_HEADER, v);

	if (rc)
		return rc;
	v->kind = PACKET_NEIGHBOUR_ADVERT;
	return 0;
}
