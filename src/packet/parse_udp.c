// RFC 768.
#include "base/endian.h"
#include "packet/private.h"

#define UDP_HEADER 8

int udp_parse(const uint8_t *data, size_t len, struct packet_view *v)
{
	if (len < UDP_HEADER)
		return ERR_TRUNCATED;

	size_t said = load_be16(data + 4);

	if (said < UDP_HEADER)
		return ERR_SYNTAX;
	if (said < len)
		len = said;
	v->kind = PACKET_UDP;
	v->sport = load_be16(data);
	v->dport = load_be16(data + 2);
	view_payload(v, data + UDP_HEADER, len - UDP_HEADER);
	return 0;
}
