// What was asked for: known before the first probe, for headers of reports.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scan_info {
	const char *version;      // "0.1.0"
	const char *command_line; // as typed, shell-quoted
	char scan_id[33];         // 32 hex digits, new for each run
	int64_t start_wall_ns;
	const char *scan_type; // "syn" or "connect", nmap's scaninfo type
	const char *proto;     // "tcp"
	uint32_t port_count;
	const char *ports_text; // "1-1000,8080"
	unsigned verbose, debug;
	bool open_only;   // --open
	bool show_reason; // --reason
	bool all_states;  // --all-states: JSON Lines carries closed and filtered ones too
	bool list_only;   // -sL
	uint64_t seed;
	const char
		*xml_scanner_name; // nmaprun's scanner attribute; NULL: "nmap", which its readers insist on
};
