#include "unit/packet/craft.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static void put_addr(uint8_t *p, const struct addr *a)
{
	if (addr_is_v4(a)) {
		put32(p, addr_v4_value(a));
		return;
	}
	for (int i = 0; i < 8; i++) {
		p[i] = (uint8_t)(a->hi >> (56 - 8 * i));
		p[8 + i] = (uint8_t)(a->lo >> (56 - 8 * i));
	}
}

void craft_ip(struct craft *c, const struct addr *src, const struct addr *dst, const struct craft_ip *ip,
	      const void *l4, size_t len)
{
	bool v4 = addr_is_v4(src);
	size_t header = v4 ? 20 : 40;

	assert_true(header + len <= CRAFT_MAX);
	memset(c->bytes, 0, header);
	c->ethertype = v4 ? 0x0800 : 0x86dd;
	c->len = header + len;
	if (v4) {
		c->bytes[0] = 0x45;
		put16(c->bytes + 2, (uint32_t)c->len);
		c->bytes[8] = ip->ttl;
		c->bytes[9] = ip->protocol;
		put_addr(c->bytes + 12, src);
		put_addr(c->bytes + 16, dst);
		put16(c->bytes + 10, (uint16_t)~craft_sum(0, c->bytes, 20));
	} else {
		c->bytes[0] = 0x60;
		put16(c->bytes + 4, (uint32_t)len);
		c->bytes[6] = ip->protocol;
		c->bytes[7] = ip->ttl;
		put_addr(c->bytes + 8, src);
		put_addr(c->bytes + 24, dst);
	}
	if (len)
		memcpy(c->bytes + header, l4, len);
}

void craft_tcp(struct craft *c, const struct addr *src, const struct addr *dst, const struct craft_tcp *tcp)
{
	uint8_t b[200] = {0};
	size_t header = 20 + tcp->options_len;
	size_t payload = tcp->payload ? strlen(tcp->payload) : 0;

	put16(b, tcp->sport);
	put16(b + 2, tcp->dport);
	put32(b + 4, tcp->seq);
	put32(b + 8, tcp->ack);
	b[12] = (uint8_t)(header / 4 << 4);
	b[13] = tcp->flags;
	put16(b + 14, tcp->window);
	if (tcp->options_len)
		memcpy(b + 20, tcp->options, tcp->options_len);
	if (payload)
		memcpy(b + header, tcp->payload, payload);
	craft_ip(c, src, dst, &(struct craft_ip){55, 6}, b, header + payload);
}

static uint8_t icmp_protocol(const struct addr *src)
{
	return addr_is_v4(src) ? 1 : 58;
}

void craft_icmp(struct craft *c, const struct addr *src, const struct addr *dst,
		const struct craft_icmp *icmp, const void *body, size_t len)
{
	uint8_t b[CRAFT_MAX] = {icmp->type_code[0], icmp->type_code[1]};

	put16(b + 4, icmp->id);
	put16(b + 6, icmp->seq);
	if (len)
		memcpy(b + 8, body, len);
	craft_ip(c, src, dst, &(struct craft_ip){55, icmp_protocol(src)}, b, 8 + len);
}

void craft_icmp_error(struct craft *c, const struct addr *src, const struct addr *dst,
		      const uint8_t type_code[2], const void *quoted, size_t len)
{
	craft_icmp(c, src, dst, &(struct craft_icmp){type_code, 0, 0}, quoted, len);
}

void craft_arp(struct craft *c, uint16_t op, const uint8_t mac[6], const struct addr *sender,
	       const struct addr *target)
{
	static const uint8_t head[] = {0, 1, 8, 0, 6, 4};

	memset(c->bytes, 0, 46);
	c->len = 46;
	c->ethertype = 0x0806;
	memcpy(c->bytes, head, sizeof(head));
	put16(c->bytes + 6, op);
	memcpy(c->bytes + 8, mac, 6);
	put_addr(c->bytes + 14, sender);
	put_addr(c->bytes + 24, target);
}

void craft_advert(struct craft *c, const struct addr *src, const struct addr *dst, uint8_t hop_limit,
		  const struct addr *target, const uint8_t *mac)
{
	uint8_t b[32] = {136, 0, 0, 0, 0x60};

	put_addr(b + 8, target);
	if (mac) {
		b[24] = 2;
		b[25] = 1;
		memcpy(b + 26, mac, 6);
	}
	craft_ip(c, src, dst, &(struct craft_ip){hop_limit, 58}, b, mac ? 32 : 24);
}

static void check_inside(const uint8_t *data, size_t len, const uint8_t *p, size_t n)
{
	if (!n)
		return;
	assert_true(p >= data && p <= data + len);
	assert_true(n <= (size_t)(data + len - p));
}

int craft_parse_exact(const uint8_t *data, size_t len, uint16_t ethertype, struct packet_view *v)
{
	uint8_t *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, data, len);

	int rc = packet_parse(len ? copy : NULL, len, ethertype, v);

	if (rc == 0) {
		check_inside(copy, len, v->options, v->options_len);
		check_inside(copy, len, v->payload, v->payload_len);
	}
	free(copy);
	return rc;
}

uint16_t craft_sum(uint32_t start, const uint8_t *data, size_t len)
{
	uint64_t sum = start;

	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? data[i] : (uint32_t)data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint16_t craft_l4_sum(const uint8_t *ip, size_t len)
{
	bool v4 = ip[0] >> 4 == 4;
	size_t header = v4 ? 20 : 40;
	uint8_t protocol = v4 ? ip[9] : ip[6];
	uint32_t start = (uint32_t)(protocol + (len - header));

	if (v4 && protocol == 1)
		return craft_sum(0, ip + 20, len - 20);
	// The addresses lie right in front of layer 4 in both families.
	return craft_sum(start, ip + (v4 ? 12 : 8), len - (v4 ? 12 : 8));
}
