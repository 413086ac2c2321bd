#include <stdio.h>
#include <string.h>

#include "app/options_private.h"
#include "base/clock.h"

#define AT(field)       offsetof(struct output_settings, field)
#define MISC_AT(field)  offsetof(struct misc_settings, field)
#define FILE_AT(format) (AT(files) + (format) * sizeof(const char *))

static const char group[] = "OUTPUT";
static const char misc_group[] = "MISCELLANEOUS";

static const char *const shells[] = {"bash", "zsh", "fish", NULL};

static const struct option entries[] = {
	{.name = "-oN",
	 .type = OPT_STRING,
	 .offset = FILE_AT(OUTPUT_NORMAL),
	 .arg = "FILE",
	 .group = group,
	 .help = "Write the normal report to a file, '-' for standard output"},
	{.name = "-oX",
	 .type = OPT_STRING,
	 .offset = FILE_AT(OUTPUT_XML),
	 .arg = "FILE",
	 .group = group,
	 .help = "Write XML that readers of nmap's understand"},
	{.name = "-oG",
	 .type = OPT_STRING,
	 .offset = FILE_AT(OUTPUT_GREPABLE),
	 .arg = "FILE",
	 .group = group,
	 .help = "Write one line per host"},
	{.name = "-oJ",
	 .type = OPT_STRING,
	 .offset = FILE_AT(OUTPUT_JSONL),
	 .arg = "FILE",
	 .group = group,
	 .help = "Write JSON Lines, each port as it is found"},
	{.name = "-oA",
	 .type = OPT_STRING,
	 .offset = AT(basename),
	 .arg = "BASENAME",
	 .group = group,
	 .help = "Write all formats: BASENAME.nmap, .xml, .gnmap and .jsonl"},
	{.name = "--open",
	 .type = OPT_FLAG,
	 .offset = AT(open_only),
	 .group = group,
	 .help = "Report only open ports and hosts that have some"},
	{.name = "--reason",
	 .type = OPT_FLAG,
	 .offset = AT(reason),
	 .group = group,
	 .help = "Say why a port or host is in its state"},
	{.name = "--all-states",
	 .type = OPT_FLAG,
	 .offset = AT(all_states),
	 .group = group,
	 .help = "Write closed and filtered ports to JSON Lines too"},
	{.name = "-v",
	 .alias = "--verbose",
	 .type = OPT_COUNT,
	 .offset = AT(verbose),
	 .max = 10,
	 .group = group,
	 .help = "Say more; -vv or -v2 says more still",
	 .detail = "Open ports are then reported as they are found."},
	{.name = "-d",
	 .alias = "--debug",
	 .type = OPT_COUNT,
	 .offset = AT(debug),
	 .max = 10,
	 .group = group,
	 .help = "Say what the program decides and why; -dd or -d2 says more"},
	{.name = "--packet-trace",
	 .type = OPT_FLAG,
	 .offset = AT(packet_trace),
	 .group = group,
	 .help = "Show every packet sent and received"},
	{.name = "--stats-every",
	 .type = OPT_DURATION,
	 .offset = AT(stats_every_ns),
	 .min = 100 * NS_PER_MS,
	 .max = 24 * 3600 * NS_PER_S,
	 .arg = "TIME",
	 .group = group,
	 .help = "Print the progress this often"},
	{.name = "--xml-scanner-name",
	 .type = OPT_STRING,
	 .offset = AT(xml_scanner_name),
	 .arg = "NAME",
	 .group = group,
	 .help = "The scanner's name in XML",
	 .detail = "Many readers accept only the default.",
	 .fallback = "nmap"},
	{.name = "--no-color",
	 .alias = "--no-colour",
	 .type = OPT_FLAG,
	 .offset = AT(no_color),
	 .group = group,
	 .help = "No colours on the terminal"},
};

const struct option_group options_output = {entries, COUNT_OF(entries)};

static const struct option misc_entries[] = {
	{.name = "-h",
	 .alias = "--help",
	 .type = OPT_FLAG,
	 .offset = MISC_AT(help),
	 .group = misc_group,
	 .help = "Print this help"},
	{.name = "-V",
	 .alias = "--version",
	 .type = OPT_FLAG,
	 .offset = MISC_AT(version),
	 .group = misc_group,
	 .help = "Print the version"},
	{.name = "--man",
	 .type = OPT_FLAG,
	 .offset = MISC_AT(man),
	 .group = misc_group,
	 .help = "Print the manual page (prtip --man | man -l -)"},
	{.name = "--completion",
	 .type = OPT_CHOICE,
	 .offset = MISC_AT(completion),
	 .set_offset = MISC_AT(completion_given),
	 .choices = shells,
	 .arg = "SHELL",
	 .group = misc_group,
	 .help = "Print the completion script for a shell"},
};

const struct option_group options_misc = {misc_entries, COUNT_OF(misc_entries)};

const char *options_output_file(const struct output_settings *o, enum output_format format, char *text,
				size_t cap)
{
	static const char *const endings[OUTPUT_FORMATS] = {"nmap", "xml", "gnmap", "jsonl"};

	if (o->files[format])
		return o->files[format];
	if (!o->basename)
		return NULL;
	snprintf(text, cap, "%s.%s", o->basename, endings[format]);
	return text;
}

bool options_uses_stdout(const struct output_settings *o)
{
	for (int i = 0; i < OUTPUT_FORMATS; i++) {
		if (o->files[i] && options_same_file(o->files[i], "-"))
			return true;
	}
	return false;
}
