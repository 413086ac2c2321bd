// RFC 8200, sections 3 and 4.
#include <netinet/in.h>

#include "base/endian.h"
#include "packet/private.h"

#define IPV6_HEADER          40
#define IPV6_FRAGMENT_HEADER 8
#define IPV6_OFFSET_MASK     0xfff8

// Length of the extension header at `p`, 0 when `next` is none that can be stepped over.
static size_t extension_len(uint8_t next, const uint8_t *p)
{
	switch (next) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_MH:
		return ((size_t)p[1] + 1) * 8;
	case IPPROTO_FRAGMENT:
		return IPV6_FRAGMENT_HEADER;
	case IPPROTO_AH: // RFC 4302, 2.2: in 32-bit words, minus 2
		return ((size_t)p[1] + 2) * 4;
	default:
		return 0;
	}
}

static bool is_extension(uint8_t next)
{
	static const uint8_t any[2];

	return extension_len(next, any) != 0;
}

static int walk_extensions(uint8_t next, const uint8_t *p, size_t left, struct ip_header *ip)
{
	for (unsigned n = 0; is_extension(next); n++) {
		if (n == IP_EXTENSIONS_MAX)
			return ERR_SYNTAX;
		if (left < 2)
			return ERR_TRUNCATED;

		size_t size = extension_len(next, p);

		if (size > left)
			return ERR_TRUNCATED;
		if (next == IPPROTO_FRAGMENT && (load_be16(p + 2) & IPV6_OFFSET_MASK))
			return ERR_SYNTAX;
		next = p[0];
		p += size;
		left -= size;
	}
	ip->protocol = next;
	ip->payload = p;
	ip->payload_len = left;
	return 0;
}

int ipv6_parse(const uint8_t *data, size_t len, bool quoted, struct ip_header *ip)
{
	ip->addresses_known = false;
	if (len < IPV6_HEADER)
		return ERR_TRUNCATED;
	if (data[0] >> 4 != 6)
		return ERR_SYNTAX;

	size_t payload = load_be16(data + 4);

	ip->src = addr_v6(data + 8);
	ip->dst = addr_v6(data + 24);
	// A v4-mapped address is never on the wire; here it would pass for an IPv4 one.
	if (addr_is_v4(&ip->src) || addr_is_v4(&ip->dst))
		return ERR_SYNTAX;
	ip->addresses_known = true;
	ip->ttl = data[7];
	len -= IPV6_HEADER;
	if (!quoted && payload < len)
		len = payload;
	return walk_extensions(data[6], data + IPV6_HEADER, len, ip);
}
