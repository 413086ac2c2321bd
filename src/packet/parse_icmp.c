// RFC 792 and RFC 4443.
#include <linux/icmp.h>
#include <netinet/icmp6.h>

#include "base/endian.h"
#include "packet/private.h"

#define ICMP_HEADER 8

static bool is_error(uint8_t type, enum addr_family family)
{
	if (family == ADDR_V6)
		return !(type & ICMP6_INFOMSG_MASK);
	return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
}

static int parse(const uint8_t *data, size_t len, enum addr_family family, struct packet_view *v)
{
	if (len < ICMP_HEADER)
		return ERR_TRUNCATED;
	v->icmp_type = data[0];
	v->icmp_code = data[1];
	if (is_error(data[0], family)) {
		v->kind = PACKET_ICMP_ERROR;
		quote_parse(data + ICMP_HEADER, len - ICMP_HEADER, family, &v->quoted);
		return 0;
	}
	v->kind = PACKET_ICMP;
	v->icmp_id = load_be16(data + 4);
	v->icmp_seq = load_be16(data + 6);
	view_payload(v, data + ICMP_HEADER, len - ICMP_HEADER);
	return 0;
}

int icmpv4_parse(const uint8_t *data, size_t len, struct packet_view *v)
{
	return parse(data, len, ADDR_V4, v);
}

int icmpv6_parse(const uint8_t *data, size_t len, struct packet_view *v)
{
	if (len && data[0] == ND_NEIGHBOR_ADVERT)
		return advert_parse(data, len, v);
	return parse(data, len, ADDR_V6, v);
}
