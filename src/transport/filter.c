#include "transport/filter.h"

#include <errno.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "packet/parse.h"

// Jump targets that are filled in when the program is complete.
#define PASS 255
#define DROP 254
#define REST 253 // behind the block that is being written

#define SNAP_ALL        0x40000
#define ICMP6_NA        136
#define LINK_HEADER     14
#define IPV6_HEADER     40
#define ICMP_HEADER     8
#define FRAGMENT_OFFSET 0x1fff

// Where a packet's transport header begins: at X + off behind an IPv4 header, else at off.
struct place {
	uint32_t off;
	bool indexed;
};

static void put(struct filter *f, uint16_t code, uint32_t k)
{
	f->code[f->len++] = (struct sock_filter){.code = code, .k = k};
}

static void jump(struct filter *f, uint16_t test, uint32_t k, uint8_t yes, uint8_t no)
{
	f->code[f->len++] = (struct sock_filter){.code = BPF_JMP | test | BPF_K, .jt = yes, .jf = no, .k = k};
}

static void load(struct filter *f, uint16_t size, struct place p, uint32_t off)
{
	put(f, BPF_LD | size | (p.indexed ? BPF_IND : BPF_ABS), p.off + off);
}

static void ancillary(struct filter *f, uint32_t what)
{
	put(f, BPF_LD | BPF_W | BPF_ABS, (uint32_t)SKF_AD_OFF + what);
}

// Points the jumps to `label` that were written from `from` on at the next instruction.
static void resolve(struct filter *f, unsigned from, uint8_t label)
{
	for (unsigned i = from; i < f->len; i++) {
		struct sock_filter *c = &f->code[i];
		if (BPF_CLASS(c->code) != BPF_JMP)
			continue;
		if (c->jt == label)
			c->jt = (uint8_t)(f->len - i - 1);
		if (c->jf == label)
			c->jf = (uint8_t)(f->len - i - 1);
	}
}

static void finish(struct filter *f)
{
	resolve(f, 0, DROP);
	put(f, BPF_RET | BPF_K, 0);
	resolve(f, 0, PASS);
	put(f, BPF_RET | BPF_K, SNAP_ALL);
}

// The port at p + off is one of ours: on, else drop.
static void port_check(struct filter *f, const struct filter_want *w, struct place p, uint32_t off)
{
	load(f, BPF_H, p, off);
	jump(f, BPF_JGE, w->port_lo, 0, DROP);
	jump(f, BPF_JGT, w->port_hi, DROP, 0);
}

static void tcp_block(struct filter *f, const struct filter_want *w, struct place p)
{
	port_check(f, w, p, 2);
	load(f, BPF_B, p, 13);
	jump(f, BPF_JSET, TCP_SYN | TCP_RST, PASS, DROP);
}

static void ports_block(struct filter *f, const struct filter_want *w, struct place p)
{
	port_check(f, w, p, 2);
	jump(f, BPF_JEQ, 0, PASS, PASS);
}

// The accumulator holds the protocol of a quoted packet: one without ports passes, others go on.
static void quoted_protocol(struct filter *f)
{
	jump(f, BPF_JEQ, IPPROTO_TCP, 2, 0);
	jump(f, BPF_JEQ, IPPROTO_UDP, 1, 0);
	jump(f, BPF_JEQ, IPPROTO_SCTP, 0, PASS);
}

static void quoted_port(struct filter *f, const struct filter_want *w, struct place p)
{
	load(f, BPF_H, p, 0);
	jump(f, BPF_JGE, w->port_lo, 0, DROP);
	jump(f, BPF_JGT, w->port_hi, DROP, PASS);
}

static void icmp4_block(struct filter *f, const struct filter_want *w, struct place p)
{
	load(f, BPF_B, p, 0);
	jump(f, BPF_JEQ, ICMP_ECHOREPLY, PASS, 0);
	jump(f, BPF_JEQ, ICMP_TIMESTAMPREPLY, PASS, 0);
	jump(f, BPF_JEQ, ICMP_ADDRESSREPLY, PASS, 0);
	jump(f, BPF_JEQ, ICMP_DEST_UNREACH, 3, 0);
	jump(f, BPF_JEQ, ICMP_SOURCE_QUENCH, 2, 0);
	jump(f, BPF_JEQ, ICMP_TIME_EXCEEDED, 1, 0);
	jump(f, BPF_JEQ, ICMP_PARAMETERPROB, 0, DROP);
	load(f, BPF_B, p, ICMP_HEADER + 9);
	quoted_protocol(f);
	load(f, BPF_B, p, ICMP_HEADER);
	put(f, BPF_ALU | BPF_AND | BPF_K, 0x0f);
	put(f, BPF_ALU | BPF_LSH | BPF_K, 2);
	put(f, BPF_ALU | BPF_ADD | BPF_X, 0);
	put(f, BPF_MISC | BPF_TAX, 0);
	quoted_port(f, w, (struct place){.off = p.off + ICMP_HEADER, .indexed = true});
}

static void icmp6_block(struct filter *f, const struct filter_want *w, struct place p)
{
	load(f, BPF_B, p, 0);
	jump(f, BPF_JEQ, ICMPV6_ECHO_REPLY, PASS, 0);
	jump(f, BPF_JEQ, ICMP6_NA, w->ndp ? PASS : DROP, 0);
	jump(f, BPF_JEQ, 0, DROP, 0);
	jump(f, BPF_JGT, ICMPV6_PARAMPROB, DROP, 0);
	load(f, BPF_B, p, ICMP_HEADER + 6);
	quoted_protocol(f);
	quoted_port(f, w, (struct place){.off = p.off + ICMP_HEADER + IPV6_HEADER});
}

// Later fragments have no transport header. X becomes the length of the IPv4 header at `off`.
static void ipv4_header(struct filter *f, uint32_t off)
{
	put(f, BPF_LD | BPF_H | BPF_ABS, off + 6);
	jump(f, BPF_JSET, FRAGMENT_OFFSET, DROP, 0);
	put(f, BPF_LDX | BPF_B | BPF_MSH, off);
}

void filter_raw_tcp4(struct filter *f, const struct filter_want *w)
{
	f->len = 0;
	ipv4_header(f, 0);
	tcp_block(f, w, (struct place){.indexed = true});
	finish(f);
}

void filter_raw_icmp4(struct filter *f, const struct filter_want *w)
{
	f->len = 0;
	ipv4_header(f, 0);
	icmp4_block(f, w, (struct place){.indexed = true});
	finish(f);
}

void filter_raw_tcp6(struct filter *f, const struct filter_want *w)
{
	f->len = 0;
	tcp_block(f, w, (struct place){0});
	finish(f);
}

void filter_raw_icmp6(struct filter *f, const struct filter_want *w)
{
	f->len = 0;
	icmp6_block(f, w, (struct place){0});
	finish(f);
}

// The accumulator holds the protocol; every path ends in PASS or DROP.
static void protocol_blocks(struct filter *f, const struct filter_want *w, struct place p, bool v6)
{
	unsigned from = f->len;
	jump(f, BPF_JEQ, IPPROTO_TCP, 0, REST);
	tcp_block(f, w, p);
	resolve(f, from, REST);
	from = f->len;
	jump(f, BPF_JEQ, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, 0, REST);
	if (v6)
		icmp6_block(f, w, p);
	else
		icmp4_block(f, w, p);
	resolve(f, from, REST);
	from = f->len;
	jump(f, BPF_JEQ, IPPROTO_UDP, 1, 0);
	jump(f, BPF_JEQ, IPPROTO_SCTP, 0, REST);
	ports_block(f, w, p);
	resolve(f, from, REST);
	if (v6) {
		jump(f, BPF_JEQ, IPPROTO_HOPOPTS, PASS, 0);
		jump(f, BPF_JEQ, IPPROTO_ROUTING, PASS, 0);
		jump(f, BPF_JEQ, IPPROTO_FRAGMENT, PASS, 0);
		jump(f, BPF_JEQ, IPPROTO_DSTOPTS, PASS, DROP);
	} else {
		jump(f, BPF_JEQ, 0, DROP, DROP);
	}
}

void filter_packet(struct filter *f, const struct filter_want *w)
{
	f->len = 0;
	ancillary(f, SKF_AD_HATYPE);
	jump(f, BPF_JEQ, ARPHRD_ETHER, 0, DROP);
	ancillary(f, SKF_AD_VLAN_TAG_PRESENT);
	jump(f, BPF_JEQ, 0, 2, 0);
	ancillary(f, SKF_AD_VLAN_TAG);
	jump(f, BPF_JSET, 0x0fff, DROP, 0); // VLAN 0 is a mere priority
	ancillary(f, SKF_AD_PROTOCOL);
	unsigned from = f->len;
	if (w->v4) {
		jump(f, BPF_JEQ, ETH_P_IP, 0, REST);
		ipv4_header(f, LINK_HEADER);
		put(f, BPF_LD | BPF_B | BPF_ABS, LINK_HEADER + 9);
		protocol_blocks(f, w, (struct place){.off = LINK_HEADER, .indexed = true}, false);
		resolve(f, from, REST);
	}
	from = f->len;
	if (w->v6) {
		jump(f, BPF_JEQ, ETH_P_IPV6, 0, REST);
		put(f, BPF_LD | BPF_B | BPF_ABS, LINK_HEADER + 24); // multicast is no answer to us
		jump(f, BPF_JEQ, 0xff, DROP, 0);
		put(f, BPF_LD | BPF_B | BPF_ABS, LINK_HEADER + 6);
		protocol_blocks(f, w, (struct place){.off = LINK_HEADER + IPV6_HEADER}, true);
		resolve(f, from, REST);
	}
	if (w->arp) {
		jump(f, BPF_JEQ, ETH_P_ARP, 0, DROP);
		put(f, BPF_LD | BPF_H | BPF_ABS, LINK_HEADER + 6);
		jump(f, BPF_JEQ, 2, PASS, DROP); // a reply
	}
	finish(f);
}

int filter_attach(int fd, const struct filter *f)
{
	struct filter copy = *f;
	struct sock_fprog prog = {.len = copy.len, .filter = copy.code};
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) ? -errno : 0;
}
