#include "app/dry_run.h"

#include <stdio.h>

#include "order/order.h"

#define GUESSED_PPS 300000.0 // AF_PACKET to hosts that answer, on two cores (docs/architecture.md)

static void print_big(const char *what, u128 n)
{
	if (n <= UINT64_MAX)
		printf("%s%llu", what, (unsigned long long)n);
	else
		printf("%s%.4Lg", what, (long double)n);
}

static void print_time(double seconds)
{
	if (seconds < 120)
		printf("%.1f seconds", seconds);
	else if (seconds < 7200)
		printf("%.0f minutes", seconds / 60);
	else if (seconds < 172800)
		printf("%.1f hours", seconds / 3600);
	else
		printf("%.1f days", seconds / 86400);
}

// Frames to one host leave --scan-delay apart; `probes` are those of a host.
static double not_below_delay(const struct scan_config *c, double seconds, double probes)
{
	double least = (probes - 1) * (double)c->policy.scan_delay_ns / 1e9;
	return seconds < least ? least : seconds;
}

static double expected_seconds(const struct scan_config *c, double probes, double addresses)
{
	double pps = GUESSED_PPS;
	if (c->policy.rate_pps > 0)
		pps = c->policy.rate_pps;
	else if (c->policy.max_pps > 0 && c->policy.max_pps < pps)
		pps = c->policy.max_pps;
	double answers = (double)c->policy.rtt.min_ns / 1e9;
	return not_below_delay(c, probes / pps, probes / addresses) + answers;
}

static double silent_seconds(const struct scan_config *c, double probes, double addresses)
{
	double tries = c->policy.max_tries < 3 ? c->policy.max_tries : 3;
	double pps = c->policy.host_silent_pps > 0 ? c->policy.host_silent_pps * addresses : GUESSED_PPS;
	double most = c->policy.rate_pps > 0  ? c->policy.rate_pps
		      : c->policy.max_pps > 0 ? c->policy.max_pps
					      : GUESSED_PPS;
	if (pps > most || c->policy.rate_pps > 0)
		pps = most;
	double sending = not_below_delay(c, probes * tries / pps, probes * tries / addresses);
	return sending + 2 * (double)c->policy.rtt.initial_ns / 1e9;
}

int dry_run(const struct plan *p, const struct scan_config *c, const struct settings *s)
{
	u128 addresses = addrset_count(p->targets);
	u128 all = addresses * (c->tcp_port_count ? c->tcp_port_count : 1);
	u128 mine = all;
	if (all >> 63 == 0)
		mine = order_shard((uint64_t)all, c->shard, c->shards, c->max_probes).count;
	else if (c->max_probes)
		mine = c->max_probes;
	printf("Nothing is sent. This scan would probe ");
	print_big("", addresses);
	printf(" addresses");
	if (c->tcp_port_count)
		printf(" on %u tcp ports (%s)", c->tcp_port_count,
		       c->kind == SCAN_CONNECT ? "connect" : "syn");
	print_big(": ", mine);
	printf(" probes");
	if (c->shards > 1) {
		printf(", shard %u/%u of ", c->shard + 1, c->shards);
		print_big("", all);
	}
	printf(".\nPorts: %s\nSeed: %llu\n", c->tcp_port_count ? p->ports_text : "none",
	       (unsigned long long)p->seed);
	printf("Expected time: about ");
	print_time(expected_seconds(c, (double)mine, (double)addresses));
	printf(" when everything answers, ");
	print_time(silent_seconds(c, (double)mine, (double)addresses));
	printf(" when nothing does.\n");
	(void)s;
	return ferror(stdout) || fflush(stdout) ? -1 : 0;
}
