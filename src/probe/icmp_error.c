// ICMP errors as answers: RFC 792, RFC 1812 (5.2.7.1), RFC 4443 (3.1, 3.3, 3.4).
#include <linux/icmp.h>
#include <netinet/icmp6.h>

#include "probe/common.h"

static const struct probe_error unreach_v4[] = {
	[ICMP_NET_UNREACH] = {REASON_NET_UNREACH, false},
	[ICMP_HOST_UNREACH] = {REASON_HOST_UNREACH, false},
	[ICMP_PROT_UNREACH] = {REASON_PROTO_UNREACH, true},
	[ICMP_PORT_UNREACH] = {REASON_PORT_UNREACH, true},
	[ICMP_NET_ANO] = {REASON_NET_PROHIBITED, false},
	[ICMP_HOST_ANO] = {REASON_HOST_PROHIBITED, false},
	[ICMP_PKT_FILTERED] = {REASON_ADMIN_PROHIBITED, false},
};

#define UNREACH_SOURCE_POLICY 5
#define UNREACH_REJECT_ROUTE  6

static const struct probe_error unreach_v6[] = {
	[ICMP6_DST_UNREACH_NOROUTE] = {REASON_NO_ROUTE, false},
	[ICMP6_DST_UNREACH_ADMIN] = {REASON_ADMIN_PROHIBITED, false},
	[ICMP6_DST_UNREACH_BEYONDSCOPE] = {REASON_BEYOND_SCOPE, false},
	[ICMP6_DST_UNREACH_ADDR] = {REASON_HOST_UNREACH, false},
	[ICMP6_DST_UNREACH_NOPORT] = {REASON_PORT_UNREACH, true},
	[UNREACH_SOURCE_POLICY] = {REASON_ADMIN_PROHIBITED, false},
	[UNREACH_REJECT_ROUTE] = {REASON_REJECT_ROUTE, false},
};

static struct probe_error unreach(const struct probe_error *table, size_t count, uint8_t code)
{
	if (code < count && table[code].reason != REASON_NONE)
		return table[code];
	return (struct probe_error){REASON_DEST_UNREACH, false};
}

static bool read_v4(const struct packet_view *v, struct probe_error *out)
{
	switch (v->icmp_type) {
	case ICMP_DEST_UNREACH:
		*out = unreach(unreach_v4, sizeof(unreach_v4) / sizeof(unreach_v4[0]), v->icmp_code);
		return true;
	case ICMP_TIME_EXCEEDED:
		*out = (struct probe_error){REASON_TIME_EXCEEDED, false};
		return true;
	default:
		return false;
	}
}

static bool read_v6(const struct packet_view *v, struct probe_error *out)
{
	switch (v->icmp_type) {
	case ICMP6_DST_UNREACH:
		*out = unreach(unreach_v6, sizeof(unreach_v6) / sizeof(unreach_v6[0]), v->icmp_code);
		return true;
	case ICMP6_TIME_EXCEEDED:
		*out = (struct probe_error){REASON_TIME_EXCEEDED, false};
		return true;
	case ICMP6_PARAM_PROB: // an unknown next header is IPv6's protocol unreachable
		*out = (struct probe_error){REASON_PARAM_PROBLEM, v->icmp_code == ICMP6_PARAMPROB_NEXTHEADER};
		return true;
	default:
		return false;
	}
}

bool probe_error_read(const struct packet_view *v, struct probe_error *out)
{
	return addr_is_v4(&v->src) ? read_v4(v, out) : read_v6(v, out);
}

void probe_error_fill(const struct packet_view *v, uint8_t technique, uint8_t try_no,
		      struct probe_answer *out)
{
	*out = (struct probe_answer){
		.target = v->quoted.dst, .try_no = try_no, .technique = technique, .ttl = v->ttl};
	if (!addr_equal(&v->src, &v->quoted.dst)) {
		out->from_other = true;
		out->from = v->src;
	}
}

void probe_error_discovery(const struct packet_view *v, const struct probe_error *e, uint8_t technique,
			   uint8_t try_no, struct probe_answer *out)
{
	probe_error_fill(v, technique, try_no, out);
	out->state = e->from_host && !out->from_other ? STATE_UP : STATE_DOWN;
	out->reason = e->reason;
}
