// What the text formats have in common. Private to sink/.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sink/sink.h"
#include "sink/writer.h"

#define FORMAT_TIME_MAX 48

// Local time: "2026-11-24 20:00 UTC", and as ctime writes it: "Tue Nov 24 20:00:05 2026".
void format_minute(int64_t wall_ns, char out[FORMAT_TIME_MAX]);
void format_ctime(int64_t wall_ns, char out[FORMAT_TIME_MAX]);

// Seconds with two significant digits: "0.00012", "1.2".
void format_seconds(double seconds, char out[FORMAT_TIME_MAX]);

// "1 IP address (1 host up) scanned in 0.21 seconds"
void format_outcome(const struct scan_summary *sum, char out[128]);

// Name of a port, "unknown" when there is none.
const char *format_service(const struct sink_config *cfg, uint8_t proto, uint16_t port);

// Is the host reported at all? Not when it is down (without -v), nor with --open when none of its ports is.
bool format_host_shown(const struct scan_info *info, const struct host_result *h);

// "name (address)", or the address alone.
void format_title(struct writer *w, const struct host_result *h);

// The comment lines that begin and end a report in a file.
void format_file_header(struct writer *w, const struct scan_info *info);
void format_file_footer(struct writer *w, const struct scan_summary *sum);
