#include <string.h>

#include "app/options_private.h"

#define AT(field) offsetof(struct target_settings, field)

static const char group[] = "TARGETS";

static const struct option entries[] = {
	{.name = "-iL",
	 .type = OPT_STRING,
	 .offset = AT(input_file),
	 .arg = "FILE",
	 .group = group,
	 .help = "Read targets from a file, '-' for standard input",
	 .detail = "Targets are separated by white space; # starts a comment. The file is read whole before "
		   "the "
		   "first probe."},
	{.name = "--exclude",
	 .type = OPT_LIST,
	 .offset = AT(exclude),
	 .arg = "LIST",
	 .group = group,
	 .help = "Leave out these addresses, ranges or names, separated by commas"},
	{.name = "--excludefile",
	 .alias = "--exclude-file",
	 .type = OPT_STRING,
	 .offset = AT(exclude_file),
	 .arg = "FILE",
	 .group = group,
	 .help = "Leave out the targets listed in a file",
	 .detail = "Exclusions are honoured before anything else. A file that cannot be read whole ends the "
		   "program before the first probe."},
	{.name = "--resolve-all",
	 .type = OPT_FLAG,
	 .offset = AT(resolve_all),
	 .group = group,
	 .help = "Scan every address a name resolves to, not only the first"},
	{.name = "-n",
	 .type = OPT_FLAG,
	 .offset = AT(no_dns),
	 .group = group,
	 .help = "Never look up the names of addresses"},
	{.name = "-R",
	 .type = OPT_FLAG,
	 .offset = AT(always_dns),
	 .group = group,
	 .help = "Look up the names of all addresses, also of hosts that are down"},
	{.name = "--dns-servers",
	 .type = OPT_STRING,
	 .offset = AT(dns_servers),
	 .arg = "LIST",
	 .group = group,
	 .help = "Ask these name servers, separated by commas",
	 .detail =
		 "Each is an address, or an address and a port as in 192.0.2.1:5353 and [2001:db8::1]:5353.",
	 .fallback = "those of the system"},
	{.name = "-6",
	 .alias = "--ipv6",
	 .type = OPT_FLAG,
	 .offset = AT(ipv6_names),
	 .group = group,
	 .help = "Resolve target names to IPv6 addresses only",
	 .detail = "IPv6 addresses as targets need no option and may stand beside IPv4 ones."},
	{.name = "--allow-reserved",
	 .type = OPT_FLAG,
	 .offset = AT(allow_reserved),
	 .group = group,
	 .help = "Allow multicast, broadcast and reserved addresses as targets",
	 .detail = "Without it targets in 0.0.0.0/8, 240.0.0.0/4 and the multicast and broadcast ranges are "
		   "refused. Other special-purpose addresses (private, loopback, link-local, documentation, "
		   "benchmarking and more) are scanned where they are named; from a target larger than a /8 "
		   "they are all left out, unless another target names them."},
	{.name = "--yes",
	 .type = OPT_FLAG,
	 .offset = AT(yes),
	 .group = group,
	 .help = "Answer yes to the question asked before very large scans",
	 .detail = "A scan of 2^24 or more public addresses asks on the terminal; without a terminal and "
		   "without "
		   "this option it ends with status 2."},
};

const struct option_group options_target = {entries, COUNT_OF(entries)};
