#include <stdio.h>
#include <string.h>

#include "app/options_private.h"
#include "base/num.h"
#include "base/text.h"

#define PORTS_AT(field) offsetof(struct port_settings, field)
#define ORDER_AT(field) offsetof(struct order_settings, field)

static const char ports_group[] = "PORTS";
static const char order_group[] = "ORDER";

static const struct option ports_entries[] = {
	{.name = "-p",
	 .alias = "--ports",
	 .type = OPT_STRING,
	 .offset = PORTS_AT(ports),
	 .arg = "PORTS",
	 .group = ports_group,
	 .help = "Scan these ports: 22,80,8000-8010; '-' is all from 1 to 65535",
	 .detail = "Also names (ssh), patterns of names (http*), open ranges (-100, 60000-), the known ports "
		   "of a "
		   "range ([1-1024]), and protocol letters that hold until the next one (T:22,U:53).",
	 .fallback = "the 1000 most common"},
	{.name = "-F",
	 .type = OPT_FLAG,
	 .offset = PORTS_AT(fast),
	 .group = ports_group,
	 .help = "Scan only the 100 most common ports"},
	{.name = "--top-ports",
	 .type = OPT_U64,
	 .offset = PORTS_AT(top),
	 .min = 1,
	 .max = 65535,
	 .arg = "N",
	 .group = ports_group,
	 .help = "Scan the N most common ports"},
	{.name = "--exclude-ports",
	 .type = OPT_STRING,
	 .offset = PORTS_AT(exclude),
	 .arg = "PORTS",
	 .group = ports_group,
	 .help = "Leave out these ports, written as for -p"},
	{.name = "--servicedb",
	 .type = OPT_STRING,
	 .offset = PORTS_AT(service_db),
	 .arg = "FILE",
	 .group = ports_group,
	 .help = "Take port names and frequencies from a file",
	 .detail = "Each line holds name, port/protocol and frequency. The built-in table was made for this "
		   "program; tables of other programs may come with licences of their own.",
	 .fallback = "the built-in table"},
};

const struct option_group options_ports = {ports_entries, COUNT_OF(ports_entries)};

static int parse_shard(void *config, const char *text, struct err_text *e)
{
	struct order_settings *o = config;
	char part[16];
	uint64_t index, count;
	const char *slash = strchr(text, '/');

	if (!slash || (size_t)(slash - text) >= sizeof(part)) {
		char shown[96];
		text_escape(shown, sizeof(shown), text, strlen(text));
		return err_set(e, ERR_SYNTAX, "\"%s\" is no part; expected I/N, such as 1/3", shown);
	}
	snprintf(part, sizeof(part), "%.*s", (int)(slash - text), text);
	int rc = num_parse_u64(slash + 1, 1, UINT32_MAX, "N", &count, e);
	if (rc)
		return rc;
	rc = num_parse_u64(part, 1, count, "I", &index, e);
	if (rc)
		return rc;
	o->shard_index = (uint32_t)index;
	o->shard_count = (uint32_t)count;
	return 0;
}

static const struct option order_entries[] = {
	{.name = "-r",
	 .type = OPT_FLAG,
	 .offset = ORDER_AT(sequential),
	 .group = order_group,
	 .help = "Probe in ascending order instead of a random one",
	 .detail =
		 "First addresses, then ports. A host that has to be probed slowly then holds up those after "
		 "it."},
	{.name = "--seed",
	 .type = OPT_U64,
	 .offset = ORDER_AT(seed),
	 .set_offset = ORDER_AT(seed_given),
	 .max = UINT64_MAX,
	 .arg = "N",
	 .group = order_group,
	 .help = "Take the random order from this number, so that it can be repeated",
	 .detail =
		 "The same targets, ports and seed make the same order, the same shards and the same sample "
		 "of --max-probes; all shards of one scan need the same seed. First tries leave in exactly "
		 "this order with --rate and -Pn: without --rate, others overtake a host that has had enough "
		 "for the moment, and without -Pn it is an order over the hosts found up.",
	 .fallback = "a new one below 2^53 for each run"},
	{.name = "--shard",
	 .type = OPT_CUSTOM,
	 .parse = parse_shard,
	 .arg = "I/N",
	 .group = order_group,
	 .help = "Do the I-th of N equal parts of the scan, counted from 1",
	 .fallback = "1/1"},
	{.name = "--max-probes",
	 .type = OPT_U64,
	 .offset = ORDER_AT(max_probes),
	 .min = 1,
	 .max = UINT64_MAX,
	 .arg = "N",
	 .group = order_group,
	 .help = "Stop after N positions (an address and a port), a random sample without repeats"},
};

const struct option_group options_order = {order_entries, COUNT_OF(order_entries)};
