#include "app/options_private.h"

static const struct config_section sections[] = {
	{"ENVIRONMENT", "NO_COLOR: when set and not empty, as --no-color."},
	{"EXIT STATUS",
	 "0: the scan was done, also when no port was open.\n"
	 "1: it failed, cannot be done here (no permission, no route, an engine that does not fit), or an "
	 "output could not be written.\n"
	 "2: the command line was refused, or a file or name that it gives; nothing was scanned.\n"
	 "3: it is done but not complete: a host ran into --host-timeout, had no route, or a name was not "
	 "found.\n"
	 "129, 130, 143: stopped by SIGHUP, SIGINT or SIGTERM; what was found until then is reported and "
	 "every "
	 "file is whole."},
	{"EXAMPLES", "The common ports of one host:\n"
		     "\tprtip 192.0.2.10\n"
		     "All ports of a network, XML for other programs and the normal report on the terminal:\n"
		     "\tprtip -p- -oX scan.xml -oN - 192.0.2.0/24\n"
		     "JSON Lines as ports are found, at no more than 10000 frames a second:\n"
		     "\tprtip --max-rate 10k -p 80,443 -oJ - 198.51.100.0/24\n"
		     "The second of three machines that share one scan:\n"
		     "\tprtip --shard 2/3 --seed 7 -iL targets.txt"},
	{"NOTES", "Scan only networks whose owners have agreed. Long options may be shortened while they "
		  "stay unambiguous, and "
		  "underscores in them equal dashes. A value may follow a long option after a space or an "
		  "equals sign, and a "
		  "short one directly or after a space. A -- ends the options."},
};

const struct config_about options_about = {
	.program = "prtip",
	.version = PRTIP_VERSION,
	.date = "November 24, 2026",
	.summary = "fast and careful network scanner",
	.usage = "[options] target ...",
	.description =
		"Finds out which hosts of a network are up and which of their ports are open, and misses "
		"none when the "
		"network loses packets: what stays silent is tried again, at a pace that the network bears.\n"
		"Targets are addresses (192.0.2.1, 2001:db8::1), prefixes (192.0.2.0/24), ranges of octets "
		"(192.0.2-3.1,7,100-) and host names, and may stand before, between and after the options.\n"
		"The normal report goes to standard output unless another output takes it.",
	.sections = sections,
	.section_count = COUNT_OF(sections),
	.see = "The manual page says more: prtip --man | man -l -",
};
