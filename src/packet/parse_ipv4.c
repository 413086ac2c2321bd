// RFC 791, section 3.1.
#include "base/endian.h"
#include "packet/private.h"

#define IPV4_HEADER_MIN  20
#define IPV4_OFFSET_MASK 0x1fff

int ipv4_parse(const uint8_t *data, size_t len, bool quoted, struct ip_header *ip)
{
	ip->addresses_known = false;
	if (len < IPV4_HEADER_MIN)
		return ERR_TRUNCATED;

	size_t header = (size_t)(data[0] & 0x0f) * 4;
	size_t total = load_be16(data + 2);

	if (data[0] >> 4 != 4 || header < IPV4_HEADER_MIN)
		return ERR_SYNTAX;
	ip->src = addr_v4(load_be32(data + 12));
	ip->dst = addr_v4(load_be32(data + 16));
	ip->addresses_known = true;
	if (load_be16(data + 6) & IPV4_OFFSET_MASK)
		return ERR_SYNTAX;
	if (header > len)
		return ERR_TRUNCATED;
	if (!quoted) {
		if (total < header)
			return ERR_SYNTAX;
		if (total < len)
			len = total; // Ethernet padding
	}
	ip->ttl = data[8];
	ip->protocol = data[9];
	ip->payload = data + header;
	ip->payload_len = len - header;
	return 0;
}
