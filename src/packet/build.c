#include <string.h>

#include "base/csum.h"
#include "base/endian.h"
#include "packet/template.h"

#define LINK_HEADER 14
#define MAC_LEN     6

// Sums of what was patched in, of words as they lie in memory. 64 bits hold any number of fields.
struct sums {
	uint64_t addresses, l4;
};

static inline uint16_t fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	return csum_fold((uint32_t)sum);
}

static inline void store16(uint8_t *p, uint16_t raw)
{
	memcpy(p, &raw, sizeof(raw));
}

static inline uint64_t put_be16(uint8_t *p, uint16_t v)
{
	struct be16 b = be16_of(v);

	store16(p, b.raw);
	return b.raw;
}

static inline uint64_t put_be32(uint8_t *p, uint32_t v)
{
	struct be32 b = be32_of(v);

	memcpy(p, &b.raw, sizeof(b.raw));
	return b.raw;
}

static inline uint64_t put_be64(uint8_t *p, uint64_t v)
{
	uint64_t raw = __builtin_bswap64(v);

	memcpy(p, &raw, sizeof(raw));
	return (raw & 0xffffffff) + (raw >> 32);
}

static inline uint64_t put_v6(uint8_t *p, uint64_t hi, uint64_t lo)
{
	return put_be64(p, hi) + put_be64(p + 8, lo);
}

// RFC 4291, 2.7.1: the last 24 bits of the target behind ff02::1:ff00:0.
static inline uint64_t put_solicited(uint8_t *p, uint64_t target_lo)
{
	return put_v6(p, 0xff02000000000000ULL, 0x00000001ff000000ULL | (target_lo & 0xffffff));
}

static inline void put_link(const struct frame_template *t, const struct frame_hop *hop,
			    const struct frame_desc *d, uint8_t *out)
{
	switch (t->link) {
	case TEMPLATE_BROADCAST:
		memset(out, 0xff, MAC_LEN);
		break;
	case TEMPLATE_SOLICITED: // RFC 2464, 7
		store_be16(out, 0x3333);
		store_be32(out + 2, 0xff000000U | (uint32_t)(d->dst_lo & 0xffffff));
		break;
	default:
		memcpy(out, hop->dst_mac, MAC_LEN);
		break;
	}
	memcpy(out + MAC_LEN, hop->src_mac, MAC_LEN);
	store_be16(out + 2 * MAC_LEN, t->ethertype);
}

static inline void put_addresses(const struct frame_template *t, const struct frame_hop *hop,
				 const struct frame_desc *d, uint8_t *net, struct sums *s)
{
	if (t->family == ADDR_V4) {
		s->addresses = put_be32(net + t->src_off, (uint32_t)hop->source.lo);
		if (t->dst_off)
			s->addresses += put_be32(net + t->dst_off, (uint32_t)d->dst_lo);
		if (t->target_off)
			put_be32(net + t->target_off, (uint32_t)d->dst_lo);
		return;
	}
	s->addresses = put_v6(net + t->src_off, hop->source.hi, hop->source.lo);
	if (t->link == TEMPLATE_SOLICITED)
		s->addresses += put_solicited(net + t->dst_off, d->dst_lo);
	else
		s->addresses += put_v6(net + t->dst_off, d->dst_hi, d->dst_lo);
	if (t->target_off)
		s->l4 += put_v6(net + t->target_off, d->dst_hi, d->dst_lo);
}

static inline void put_mac(uint8_t *p, const uint8_t mac[MAC_LEN], struct sums *s)
{
	uint16_t words[MAC_LEN / 2];

	memcpy(words, mac, MAC_LEN);
	memcpy(p, words, MAC_LEN);
	s->l4 += (uint64_t)words[0] + words[1] + words[2];
}

// Never 0: on a raw socket the kernel would replace it.
static inline uint16_t ip_id(uint32_t cookie)
{
	uint16_t id = (uint16_t)((cookie * 0x9e3779b1U) >> 16);

	return id ? id : 0x7072;
}

static inline void put_fields(const struct frame_template *t, const struct frame_desc *d, uint8_t *net,
			      struct sums *s)
{
	if (t->sport_off)
		s->l4 += put_be16(net + t->sport_off, d->sport);
	if (t->dport_off)
		s->l4 += put_be16(net + t->dport_off, d->dport);
	if (t->cookie_off)
		s->l4 += put_be32(net + t->cookie_off, d->cookie);
}

size_t frame_build(const struct frame_template *t, const struct frame_hop *hop, const struct frame_desc *d,
		   bool with_link, uint8_t *out)
{
	struct sums s = {0};
	uint8_t *net = with_link ? out + LINK_HEADER : out;

	// Two fixed sizes become a few vector moves; what lies behind len is not sent.
	if (t->len <= TEMPLATE_MAX / 2)
		memcpy(net, t->bytes, TEMPLATE_MAX / 2);
	else
		memcpy(net, t->bytes, TEMPLATE_MAX);
	if (with_link)
		put_link(t, hop, d, out);
	put_addresses(t, hop, d, net, &s);
	if (t->mac_off)
		put_mac(net + t->mac_off, hop->src_mac, &s);
	put_fields(t, d, net, &s);
	if (t->ip_csum_off) {
		uint64_t id = put_be16(net + t->ip_id_off, ip_id(d->cookie));

		store16(net + t->ip_csum_off, fold(s.addresses + id + t->ip_sum));
	}
	if (t->l4_csum_off)
		store16(net + t->l4_csum_off, fold(s.l4 + t->l4_sum + (t->l4_pseudo ? s.addresses : 0)));
	return (size_t)(net - out) + t->len;
}
