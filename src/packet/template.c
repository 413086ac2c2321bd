#include <string.h>

#include <netinet/in.h>

#include "base/csum.h"
#include "base/endian.h"
#include "packet/template.h"

#define IPV4_HEADER 20
#define IPV6_HEADER 40

static void write_ipv4(struct frame_template *t, uint8_t ttl, uint8_t protocol)
{
	t->ethertype = 0x0800;
	t->bytes[0] = 0x45;
	store_be16(t->bytes + 2, t->len);
	t->bytes[8] = ttl;
	t->bytes[9] = protocol;
	t->ip_id_off = 4;
	t->ip_csum_off = 10;
	t->src_off = 12;
	t->dst_off = 16;
}

static void write_ipv6(struct frame_template *t, uint8_t ttl, uint8_t protocol)
{
	t->ethertype = 0x86dd;
	t->bytes[0] = 0x60;
	store_be16(t->bytes + 4, (uint16_t)(t->len - IPV6_HEADER));
	t->bytes[6] = protocol;
	t->bytes[7] = ttl;
	t->src_off = 8;
	t->dst_off = 24;
}

int template_ip(struct frame_template *t, enum addr_family family, uint8_t ttl, uint8_t protocol,
		size_t l4_len)
{
	size_t header = family == ADDR_V6 ? IPV6_HEADER : IPV4_HEADER;

	*t = (struct frame_template){.family = (uint8_t)family, .link = TEMPLATE_UNICAST};
	if (l4_len > TEMPLATE_MAX - header)
		return ERR_LIMIT;
	t->len = (uint16_t)(header + l4_len);
	t->l4_off = (uint8_t)header;
	t->l4_pseudo = !(family == ADDR_V4 && protocol == IPPROTO_ICMP);
	if (family == ADDR_V6)
		write_ipv6(t, ttl, protocol);
	else
		write_ipv4(t, ttl, protocol);
	return 0;
}

// Brought down to 16 bits, so that whoever adds the patched fields can do it in 32.
static uint32_t narrow(uint32_t sum)
{
	return (uint16_t)~csum_fold(sum);
}

// Adds the pseudo header without its addresses: zero, protocol and length (RFC 9293, 3.1; RFC 8200, 8.1).
static uint32_t add_pseudo(uint32_t sum, const struct frame_template *t, size_t l4_len)
{
	uint8_t p[8] = {0};

	store_be32(p, (uint32_t)l4_len);
	p[7] = t->family == ADDR_V6 ? t->bytes[6] : t->bytes[9];
	return csum_add(sum, p, sizeof(p));
}

void template_seal(struct frame_template *t)
{
	t->ip_sum = 0;
	t->l4_sum = 0;
	if (t->ip_csum_off)
		t->ip_sum = narrow(csum_add(0, t->bytes, IPV4_HEADER));
	if (t->l4_csum_off) {
		size_t l4_len = (size_t)t->len - t->l4_off;
		uint32_t sum = csum_add(0, t->bytes + t->l4_off, l4_len);

		t->l4_sum = narrow(t->l4_pseudo ? add_pseudo(sum, t, l4_len) : sum);
	}
}
