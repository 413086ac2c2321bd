// RFC 9293, section 3.1.
#include "base/endian.h"
#include "packet/private.h"

#define TCP_HEADER_MIN 20

int tcp_parse(const uint8_t *data, size_t len, struct packet_view *v)
{
	if (len < TCP_HEADER_MIN)
		return ERR_TRUNCATED;

	size_t header = (size_t)(data[12] >> 4) * 4;

	if (header < TCP_HEADER_MIN)
		return ERR_SYNTAX;
	if (header > len)
		header = len;
	v->kind = PACKET_TCP;
	v->sport = load_be16(data);
	v->dport = load_be16(data + 2);
	v->seq = load_be32(data + 4);
	v->ack = load_be32(data + 8);
	v->flags = data[13];
	v->window = load_be16(data + 14);
	v->options = data + TCP_HEADER_MIN;
	v->options_len = (uint8_t)(header - TCP_HEADER_MIN);
	view_payload(v, data + header, len - header);
	return 0;
}
