#include "packet/describe.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "packet/parse.h"

struct line {
	char *out;
	size_t n;
};

static void put(struct line *l, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void put(struct line *l, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(l->out + l->n, DESCRIBE_MAX - l->n, fmt, ap);
	va_end(ap);
	if (n > 0)
		l->n += (size_t)n < DESCRIBE_MAX - l->n ? (size_t)n : DESCRIBE_MAX - l->n - 1;
}

static void put_flags(struct line *l, uint8_t flags)
{
	static const struct {
		uint8_t bit;
		char letter;
	} names[] = {{TCP_SYN, 'S'}, {TCP_FIN, 'F'}, {TCP_RST, 'R'}, {TCP_PSH, 'P'}, {TCP_ACK, 'A'}};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (flags & names[i].bit)
			put(l, "%c", names[i].letter);
}

static void put_mss(struct line *l, const struct packet_view *v)
{
	const uint8_t *o = v->options;
	for (unsigned i = 0; i + 1 < v->options_len && o[i] != 0;) {
		if (o[i] == 1) {
			i++;
			continue;
		}
		if (o[i + 1] < 2)
			return;
		if (o[i] == 2 && o[i + 1] == 4 && i + 3 < v->options_len)
			put(l, " <mss %u>", (unsigned)(o[i + 2] << 8 | o[i + 3]));
		i += o[i + 1];
	}
}

static void put_tcp(struct line *l, const struct packet_view *v, const char *src, const char *dst)
{
	bool v6 = !addr_is_v4(&v->src);
	const char *open = v6 ? "[" : "", *end = v6 ? "]" : "";
	put(l, "TCP %s%s%s:%u > %s%s%s:%u ", open, src, end, v->sport, open, dst, end, v->dport);
	put_flags(l, v->flags);
	put(l, " ttl=%u seq=%u", v->ttl, v->seq);
	if (v->flags & TCP_ACK)
		put(l, " ack=%u", v->ack);
	put(l, " win=%u", v->window);
	put_mss(l, v);
}

static void put_neighbour(struct line *l, const struct packet_view *v)
{
	char who[ADDR_TEXT_MAX];
	addr_format(&v->neighbour, who);
	const uint8_t *m = v->neighbour_mac;
	put(l, "%s %s is at", v->kind == PACKET_ARP_REPLY ? "ARP reply" : "NDP advertisement", who);
	if (v->neighbour_mac_known)
		put(l, " %02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	else
		put(l, " an address it does not tell");
}

static void put_quoted(struct line *l, const struct packet_view *v)
{
	char dst[ADDR_TEXT_MAX];
	addr_format(&v->quoted.dst, dst);
	put(l, " about %s port %u seq=%u", dst, v->quoted.dport, v->quoted.seq);
}

static void put_arp_request(struct line *l, const uint8_t *data, size_t len)
{
	if (len >= 28 && data[7] == 1)
		put(l, "ARP who-has %u.%u.%u.%u tell %u.%u.%u.%u", data[24], data[25], data[26], data[27],
		    data[14], data[15], data[16], data[17]);
	else
		put(l, "ARP, %zu bytes", len);
}

size_t packet_describe(char out[DESCRIBE_MAX], const uint8_t *data, size_t len, uint16_t ethertype)
{
	struct line l = {.out = out};
	struct packet_view v;
	char src[ADDR_TEXT_MAX], dst[ADDR_TEXT_MAX];
	out[0] = 0;
	if (packet_parse(data, len, ethertype, &v)) {
		if (ethertype == ETHERTYPE_ARP)
			put_arp_request(&l, data, len);
		else
			put(&l, "%zu bytes of type 0x%04x that are no whole packet", len, ethertype);
		return l.n;
	}
	addr_format(&v.src, src);
	addr_format(&v.dst, dst);
	switch (v.kind) {
	case PACKET_TCP:
		put_tcp(&l, &v, src, dst);
		break;
	case PACKET_ARP_REPLY:
	case PACKET_NEIGHBOUR_ADVERT:
		put_neighbour(&l, &v);
		return l.n;
	case PACKET_ICMP:
	case PACKET_ICMP_ERROR:
		put(&l, "ICMP %s > %s type=%u code=%u ttl=%u", src, dst, v.icmp_type, v.icmp_code, v.ttl);
		if (v.kind == PACKET_ICMP_ERROR)
			put_quoted(&l, &v);
		break;
	default:
		if (ethertype == ETHERTYPE_ARP)
			put_arp_request(&l, data, len);
		else
			put(&l, "protocol %u %s > %s ttl=%u", v.protocol, src, dst, v.ttl);
		break;
	}
	put(&l, " iplen=%zu", len);
	return l.n;
}
