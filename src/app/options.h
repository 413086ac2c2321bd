// Everything a person can ask for on the command line, by theme. Parts of the program take the struct of
// their theme, not the whole.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/option.h"
#include "config/help.h"
#include "net/addr.h"
#include "scan/engine.h"

struct config_line;

#define TIMING_TEMPLATES 6

struct target_settings {
	struct option_list specs;   // positional
	const char *input_file;     // -iL; "-" is standard input; NULL when not given
	struct option_list exclude; // each a comma-separated list
	const char *exclude_file;
	const char *dns_servers; // "ADDR[:PORT],…", checked
	bool resolve_all;
	bool no_dns, always_dns; // -n, -R
	bool ipv6_names;         // -6
	bool allow_reserved;
	bool yes;
};

struct port_settings {
	const char *ports; // -p, NULL when not given; checked by target/ports.h
	const char *exclude;
	const char *service_db;
	uint64_t top; // --top-ports; 100 for -F; 0 when neither was given
	bool fast;    // -F
};

struct order_settings {
	uint64_t seed;
	uint64_t max_probes;               // 0: no limit
	uint32_t shard_index, shard_count; // 1-based: 1/1 is everything
	bool sequential;                   // -r
	bool seed_given;
};

// -S: at most one address of each family.
struct source_settings {
	struct addr v4, v6;
	bool has_v4, has_v6;
};

struct scan_settings {
	struct source_settings source;
	const char *interface; // -e
	uint64_t source_port;  // -g
	uint64_t ttl;          // 0: the system's
	uint64_t batch_size, receive_batch;
	uint64_t xdp_batch;
	bool xdp_batch_given, keep_half_open;
	uint64_t send_threads;         // 0: chosen by the program
	unsigned engine;               // enum scan_engine
	bool syn, connect;             // neither: SYN where permitted, else connect
	bool list_only;                // -sL
	bool discover_only;            // -sn
	bool no_discovery;             // -Pn
	bool dry_run;                  // everything but the sending
	bool privileged, unprivileged; // neither: find out
	bool source_port_given, batch_size_given, receive_batch_given;
};

// Times in nanoseconds, rates in frames a second. After options_read the template's values stand where the
// person gave none, and min_rtt <= initial_rtt <= max_rtt.
struct timing_settings {
	double min_rate, max_rate, rate; // 0: not given
	double confidence;               // 0: not given
	double silent_host_rate;         // frames a second to a host that has answered nothing; 0: no cap
	uint64_t max_retries;
	int64_t min_rtt_ns, max_rtt_ns, initial_rtt_ns;
	int64_t scan_delay_ns;   // between frames to one host
	int64_t host_timeout_ns; // 0: none
	int64_t wait_ns;         // only when wait_given, else 2 × the timeout
	unsigned template_level; // -T0 … -T5
	bool max_retries_given, min_rtt_given, max_rtt_given, initial_rtt_given;
	bool scan_delay_given, host_timeout_given, wait_given;
};

enum output_format { OUTPUT_NORMAL, OUTPUT_XML, OUTPUT_GREPABLE, OUTPUT_JSONL, OUTPUT_FORMATS };

struct output_settings {
	const char *files[OUTPUT_FORMATS]; // "-" is standard output; NULL when not given
	const char *basename;              // -oA
	const char *xml_scanner_name;
	int64_t stats_every_ns; // 0: never
	unsigned verbose, debug;
	bool open_only, reason, all_states, packet_trace, no_color;
};

struct misc_settings {
	unsigned completion; // enum config_shell
	bool completion_given;
	bool help, version, man;
};

struct settings {
	struct target_settings target;
	struct port_settings ports;
	struct order_settings order;
	struct scan_settings scan;
	struct timing_settings timing;
	struct output_settings output;
	struct misc_settings misc;
};

// Fills `s` from defaults, command line, environment (NO_COLOR) and timing template, and refuses
// contradictions. `line` owns the lists in `s`: free it with config_line_free when `s` is no longer used.
// With one of misc.help, version, man or completion_given nothing else was checked. On failure `e` holds one
// line.
int options_read(struct settings *s, struct config_line **line, int argc, char *const argv[],
		 struct err_text *e) MUST_CHECK;

// The file of a format: the one given for it, or `basename` with nmap's ending (.nmap .xml .gnmap .jsonl)
// written to `text`. NULL when this format was not asked for.
const char *options_output_file(const struct output_settings *o, enum output_format format, char *text,
				size_t cap);

// Does a report take standard output, so that nothing else may be written there?
bool options_uses_stdout(const struct output_settings *o);

int options_help(struct buf *b) MUST_CHECK;
int options_man(struct buf *b) MUST_CHECK;
int options_completion(struct buf *b, enum config_shell shell) MUST_CHECK;
