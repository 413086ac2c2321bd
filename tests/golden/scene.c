#include "golden/scene.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define START_NS (1795550400 * NS_PER_S) // 2026-11-24 20:00:00 UTC
#define TCP      0
#define UDP      1
#define SCTP     2

static const char hostile[] = "a\x1b]0;title\x07<b>&\"'\xff\xe2\x80\xae\xef\xbf\xbf,/\t\n\r\x7f]]>\\-->";

const char *scene_service(void *ctx, uint8_t proto, uint16_t port)
{
	(void)ctx;
	switch (port) {
	case 22:
		return "ssh";
	case 53:
		return "domain";
	case 80:
		return proto == TCP ? "http" : "unknown";
	case 445:
		return "microsoft-ds";
	case 7777: // a service file of the user's may hold anything
		return "x/y,<z>\x1b[2J\xff";
	default:
		return "unknown";
	}
}

struct scan_info scene_info(enum scene_kind kind)
{
	struct scan_info info = {
		.version = "0.1.0",
		.command_line = "prtip -sS -v --reason -p 1-1000 'x <&\"> \x1b[31m --' 198.18.0.0/28",
		.scan_id = "00112233445566778899aabbccddeeff",
		.start_wall_ns = START_NS,
		.scan_type = "syn",
		.proto = "tcp",
		.port_count = 1000,
		.ports_text = "1-1000",
		.verbose = 1,
		.show_reason = true,
		.seed = 18446744073709551615U,
	};
	if (kind == SCENE_INTERRUPTED) {
		info.verbose = 0;
		info.show_reason = false;
		info.open_only = true;
		info.all_states = true;
	} else if (kind == SCENE_LIST) {
		info.verbose = 0;
		info.list_only = true;
		info.port_count = 0;
	}
	return info;
}

static int play_records(const struct sink_ops *ops, struct sink *s)
{
	struct record records[] = {
		{.addr = addr_v4(0xc6120001),
		 .port = 22,
		 .state = STATE_OPEN,
		 .reason = REASON_SYN_ACK,
		 .ttl = 64,
		 .rtt_us = 120,
		 .window = 64240,
		 .tries = 1,
		 .options_len = 4,
		 .options = {2, 4, 5, 0xb4},
		 .wall_ns = START_NS + 1500 * NS_PER_US},
		{.addr = addr_v4(0xc6120001),
		 .port = 81,
		 .state = STATE_CLOSED,
		 .reason = REASON_RESET,
		 .ttl = 64,
		 .rtt_us = 80,
		 .tries = 1,
		 .wall_ns = START_NS + 1700 * NS_PER_US},
		{.addr = {.hi = 0x20010db800000000, .lo = 1},
		 .port = 445,
		 .state = STATE_OPEN,
		 .reason = REASON_SYN_ACK,
		 .ttl = 57,
		 .window = 1,
		 .tries = 2,
		 .late = true,
		 .wall_ns = START_NS + NS_PER_S},
		{.addr = addr_v4(0xc6120003),
		 .from = addr_v4(0xc61200fe),
		 .port = 53,
		 .proto = UDP,
		 .state = STATE_FILTERED,
		 .reason = REASON_ADMIN_PROHIBITED,
		 .ttl = 255,
		 .tries = 1,
		 .wall_ns = START_NS + 2 * NS_PER_S},
		{.addr = addr_v4(0xc6120004),
		 .state = STATE_UP,
		 .reason = REASON_ECHO_REPLY,
		 .ttl = 64,
		 .rtt_us = 300,
		 .wall_ns = START_NS + 2 * NS_PER_S},
	};
	for (size_t i = 0; ops->record && i < sizeof(records) / sizeof(records[0]); i++) {
		int rc = ops->record(s, &records[i]);
		if (rc)
			return rc;
	}
	return ops->flush(s);
}

static const struct port_result ports_a[] = {
	{22, TCP, STATE_OPEN, REASON_SYN_ACK, 64, 0, 120},
	{80, TCP, STATE_OPEN, REASON_SYN_ACK, 64, 0, 130},
	{443, TCP, STATE_FILTERED, REASON_NO_RESPONSE, 0, 0, 0},
	{444, TCP, STATE_FILTERED, REASON_HOST_UNREACH, 63, 2, 0},
	{445, TCP, STATE_FILTERED, REASON_ADMIN_PROHIBITED, 0, 1, 0},
	{7777, TCP, STATE_OPEN, REASON_SYN_ACK, 64, 0, 99},
	{60000, TCP, STATE_OPEN, REASON_SYN_ACK, 64, 0, 99},
	{53, UDP, STATE_OPEN, REASON_UDP_RESPONSE, 64, 0, 150},
	{9, SCTP, STATE_CLOSED, REASON_RESET, 64, 0, 150},
};
static const struct port_result ports_b[] = {
	{1, TCP, STATE_CLOSED, REASON_RESET, 61, 0, 99},
	{445, TCP, STATE_OPEN, REASON_SYN_ACK, 57, 0, 800},
};

static const struct addr speakers_a[] = {{.hi = 0x20010db8ffffffff, .lo = 0xffffffffffffffff},
					 {.lo = 0x0000ffffc61200fe}};

static const struct host_result hosts[] = {
	{.addr = {.lo = 0x0000ffffc6120001},
	 .asked = "www.example",
	 .ptr_name = "host-1.example",
	 .state = STATE_UP,
	 .reason = REASON_ARP_RESPONSE,
	 .mac_known = true,
	 .mac = {2, 0, 0, 0xab, 0xcd, 0xef},
	 .srtt_us = 120,
	 .rttvar_us = 30,
	 .ports_total = 1005,
	 .ports = ports_a,
	 .port_count = 9,
	 .speakers = speakers_a,
	 .speaker_count = 2,
	 .counts = {{TCP, STATE_CLOSED, REASON_RESET, 990},
		    {TCP, STATE_CLOSED, REASON_CONN_REFUSED, 5},
		    {UDP, STATE_OPEN_FILTERED, REASON_NO_RESPONSE, 1}},
	 .count_count = 3,
	 .start_wall_ns = START_NS,
	 .end_wall_ns = START_NS + NS_PER_S},
	{.addr = {.lo = 0x0000ffffc6120002},
	 .state = STATE_UP,
	 .reason = REASON_ECHO_REPLY,
	 .reason_ttl = 63,
	 .srtt_us = 5,
	 .rttvar_us = 2,
	 .ports_total = 1000,
	 .counts = {{TCP, STATE_CLOSED, REASON_RESET, 1000}},
	 .count_count = 1,
	 .rst_limited = true,
	 .icmp_limited = true,
	 .start_wall_ns = START_NS,
	 .end_wall_ns = START_NS + NS_PER_S},
	{.addr = {.lo = 0x0000ffffc6120003},
	 .asked = hostile,
	 .ptr_name = hostile + 1,
	 .state = STATE_UP,
	 .reason = REASON_USER_SET,
	 .ports_total = 1000,
	 .ports = ports_b,
	 .port_count = 2,
	 .timed_out = true,
	 .start_wall_ns = START_NS,
	 .end_wall_ns = START_NS + 2 * NS_PER_S},
	{.addr = {.lo = 0x0000ffffc6120005},
	 .state = STATE_DOWN,
	 .reason = REASON_NO_RESPONSE,
	 .start_wall_ns = START_NS,
	 .end_wall_ns = START_NS},
	{.addr = {.hi = 0x20010db800000000, .lo = 1},
	 .ptr_name = "six.example",
	 .state = STATE_UP,
	 .reason = REASON_ND_RESPONSE,
	 .reason_ttl = 255,
	 .srtt_us = 2500000,
	 .rttvar_us = 9000000,
	 .ports_total = 1000,
	 .ports = ports_b,
	 .port_count = 2,
	 .counts = {{TCP, STATE_FILTERED, REASON_NO_RESPONSE, 411}},
	 .count_count = 1,
	 .incomplete = true,
	 .icmp_limited = true,
	 .start_wall_ns = START_NS,
	 .end_wall_ns = START_NS + 3 * NS_PER_S},
	{.addr = {.hi = 0x20010db800000000, .lo = 2},
	 .state = STATE_UP,
	 .reason = REASON_ND_RESPONSE,
	 .start_wall_ns = START_NS,
	 .end_wall_ns = START_NS + 3 * NS_PER_S},
};

static int play_hosts(const struct sink_ops *ops, struct sink *s)
{
	for (size_t i = 0; ops->host && i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		int rc = ops->host(s, &hosts[i]);
		if (rc)
			return rc;
	}
	return ops->flush(s);
}

static struct scan_summary summary(enum scene_kind kind)
{
	struct scan_summary sum = {
		.c = {.positions = 6000,
		      .positions_done = 6000,
		      .answered = 2411,
		      .silent = 3589,
		      .frames = 9600,
		      .first_tries = 6000,
		      .resends = 3600,
		      .answers = 2415,
		      .records = 2411,
		      .duplicates = 2,
		      .late = 1,
		      .rejected = 1,
		      .open = 6,
		      .closed = 2400,
		      .filtered = 5,
		      .hosts_total = 6,
		      .hosts_up = 5,
		      .hosts_down = 1,
		      .hosts_timed_out = 1},
		.start_wall_ns = START_NS,
		.end_wall_ns = START_NS + 3210 * NS_PER_MS,
		.elapsed_ns = 3210 * NS_PER_MS,
		.loss = 0.0123,
		.tries = 2,
		.confidence_asked = 0.9999,
		.confidence_reached = 0.9999,
		.missed_expected = 0.0009,
		.missed_bound = 0.013,
		.hosts_limited = 2,
		.hosts_probes_limited = 1,
		.hosts_unsure = 1,
		.hosts_vanished = 1,
		.unsure_pps = 200.4,
	};
	if (kind == SCENE_INTERRUPTED) {
		sum.interrupted = sum.incomplete = true;
		sum.exit_status = 2;
		sum.error = "interface \"ve\x1bth0\" <went> away";
		sum.confidence_reached = 0.97;
		sum.c.ring_drops = 12;
	} else if (kind == SCENE_LIST) {
		sum = (struct scan_summary){
			.c = {.hosts_total = 6}, .start_wall_ns = START_NS, .end_wall_ns = START_NS};
	}
	return sum;
}

int scene_play(const struct sink_ops *ops, enum scene_kind kind, const struct scan_info *info, int fd)
{
	struct sink_config cfg = {.info = info, .service = scene_service, .fd = fd, .path = "a test's file"};
	struct scan_summary sum = summary(kind);
	struct sink *s = NULL;
	struct err_text e;
	int rc = ops->open(&s, &cfg, &e);

	if (rc)
		return rc;
	if (kind != SCENE_LIST)
		rc = play_records(ops, s);
	int host_rc = play_hosts(ops, s);
	int close_rc = ops->close(s, &sum);
	if (rc == 0)
		rc = host_rc;
	return rc ? rc : close_rc;
}
