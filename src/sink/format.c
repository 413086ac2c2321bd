#include "sink/format.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

static void local_time(int64_t wall_ns, const char *pattern, char out[FORMAT_TIME_MAX])
{
	time_t t = (time_t)(wall_ns / NS_PER_S);
	struct tm tm;

	if (!localtime_r(&t, &tm) || strftime(out, FORMAT_TIME_MAX, pattern, &tm) == 0)
		snprintf(out, FORMAT_TIME_MAX, "@%lld", (long long)t);
}

void format_minute(int64_t wall_ns, char out[FORMAT_TIME_MAX])
{
	local_time(wall_ns, "%Y-%m-%d %H:%M %Z", out);
}

void format_ctime(int64_t wall_ns, char out[FORMAT_TIME_MAX])
{
	local_time(wall_ns, "%a %b %e %H:%M:%S %Y", out);
}

void format_seconds(double seconds, char out[FORMAT_TIME_MAX])
{
	int decimals = seconds > 0 ? 1 - (int)floor(log10(seconds)) : 1;

	if (decimals < 0)
		decimals = 0;
	snprintf(out, FORMAT_TIME_MAX, "%.*f", decimals, seconds);
}

void format_outcome(const struct scan_summary *sum, char out[128])
{
	const struct scan_counters *c = &sum->c;

	snprintf(out, 128, "%llu IP address%s (%llu host%s up) scanned in %.2f seconds",
		 (unsigned long long)c->hosts_total, c->hosts_total == 1 ? "" : "es",
		 (unsigned long long)c->hosts_up, c->hosts_up == 1 ? "" : "s",
		 (double)sum->elapsed_ns / NS_PER_S);
}

const char *format_service(const struct sink_config *cfg, uint8_t proto, uint16_t port)
{
	const char *name = cfg->service ? cfg->service(cfg->service_ctx, proto, port) : NULL;

	return name ? name : "unknown";
}

bool format_host_shown(const struct scan_info *info, const struct host_result *h)
{
	if (info->list_only)
		return true;
	if (h->state != STATE_UP && !info->verbose)
		return false;
	if (!info->open_only || h->ports_total == 0)
		return true;
	for (size_t i = 0; i < h->port_count; i++) {
		if (h->ports[i].state == STATE_OPEN || h->ports[i].state == STATE_OPEN_FILTERED)
			return true;
	}
	return false;
}

void format_title(struct writer *w, const struct host_result *h)
{
	const char *name = h->asked ? h->asked : h->ptr_name;
	char ip[ADDR_TEXT_MAX];

	addr_format(&h->addr, ip);
	if (!name) {
		writer_puts(w, ip);
		return;
	}
	writer_text(w, name);
	writer_printf(w, " (%s)", ip);
}

// The command line is a person's text: a file name in it may hold anything but must not end the comment.
static void put_long_text(struct writer *w, const char *s)
{
	char piece[128];
	size_t left = strlen(s);

	while (left > 0) {
		size_t n = left < sizeof(piece) - 1 ? left : sizeof(piece) - 1;
		while (n < left && n > 1 && ((unsigned char)s[n] & 0xc0) == 0x80)
			n--; // not inside a character
		memcpy(piece, s, n);
		piece[n] = '\0';
		writer_text(w, piece);
		s += n;
		left -= n;
	}
}

void format_file_header(struct writer *w, const struct scan_info *info)
{
	char when[FORMAT_TIME_MAX];

	format_ctime(info->start_wall_ns, when);
	writer_printf(w, "# prtip %s scan initiated %s as: ", info->version, when);
	put_long_text(w, info->command_line ? info->command_line : "prtip");
	writer_puts(w, "\n");
}

void format_file_footer(struct writer *w, const struct scan_summary *sum)
{
	char when[FORMAT_TIME_MAX], outcome[128];

	format_ctime(sum->end_wall_ns, when);
	format_outcome(sum, outcome);
	writer_printf(w, "# prtip done at %s -- %s", when, outcome);
	if (sum->interrupted)
		writer_puts(w, " (interrupted)");
	writer_puts(w, "\n");
	if (sum->error) {
		writer_puts(w, "# error: ");
		put_long_text(w, sum->error);
		writer_puts(w, "\n");
	}
}
