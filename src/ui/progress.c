#include "ui/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/write_all.h"

#define DRAW_NS         (200 * NS_PER_MS)
#define RATE_NS         NS_PER_S
#define PREFIX          "prtip: "
#define ERASE           "\r\x1b[K"
#define BOLD            "\x1b[1m"
#define PLAIN           "\x1b[0m"
#define COLUMNS_DEFAULT 80
#define ETA_MAX_S       (99 * 24 * 3600)

void progress_init(struct progress *p, const struct progress_config *cfg)
{
	*p = (struct progress){.cfg = *cfg,
			       .drawn_ns = cfg->start_mono_ns,
			       .stats_ns = cfg->start_mono_ns,
			       .mark_ns = cfg->start_mono_ns};
	bool erases = cfg->term && cfg->term[0] && strcmp(cfg->term, "dumb") != 0;
	p->live = cfg->enabled && erases && isatty(cfg->fd);
}

// Diagnostics: a terminal that does not take them is no error of the scan.
static void put(int fd, const char *text, size_t len)
{
	(void)write_all(fd, text, len);
}

// "1,234,567"
static void group_digits(uint64_t v, char out[32])
{
	char plain[24];
	int len = snprintf(plain, sizeof(plain), "%llu", (unsigned long long)v), at = 0;

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = plain[i];
	}
	out[at] = '\0';
}

// "0:12", "1:02:03", "2d 3:04:05"
static void format_span(int64_t s, char out[32])
{
	int days = (int)(s / 86400), hours = (int)(s / 3600 % 24), minutes = (int)(s / 60 % 60);

	if (days > 0)
		snprintf(out, 32, "%dd %d:%02d:%02d", days, hours, minutes, (int)(s % 60));
	else if (hours > 0)
		snprintf(out, 32, "%d:%02d:%02d", hours, minutes, (int)(s % 60));
	else
		snprintf(out, 32, "%d:%02d", minutes, (int)(s % 60));
}

static double share_done(const struct scan_counters *c)
{
	if (c->positions == 0)
		return 0;
	double share = (double)c->positions_done / (double)c->positions;
	return share > 1 ? 1 : share;
}

// From the whole scan's speed: the last second's jumps about.
static void format_eta(double done, int64_t elapsed_ns, int64_t wall_ns, char out[80])
{
	double left = done > 0 ? (double)elapsed_ns / NS_PER_S * (1 - done) / done : ETA_MAX_S + 1.0;
	char span[32], at[16] = "";
	struct tm tm;

	if (left > ETA_MAX_S || elapsed_ns <= 0) {
		snprintf(out, 80, "ETA unknown");
		return;
	}
	format_span((int64_t)(left + 0.5), span);
	time_t when = (time_t)(wall_ns / NS_PER_S) + (time_t)(left + 0.5);
	if (localtime_r(&when, &tm))
		strftime(at, sizeof(at), "%H:%M", &tm);
	snprintf(out, 80, "ETA %s (%s)", span, at);
}

size_t progress_format(const struct scan_counters *c, double rate_pps, int64_t elapsed_ns, int64_t wall_ns,
		       char out[PROGRESS_LINE_MAX])
{
	double done = share_done(c);
	char rate[32], open[32], eta[80];

	group_digits(rate_pps > 0 ? (uint64_t)(rate_pps + 0.5) : 0, rate);
	group_digits(c->open, open);
	format_eta(done, elapsed_ns, wall_ns, eta);
	// Rounded down: 100 % is for when it is true.
	return (size_t)snprintf(out, PROGRESS_LINE_MAX, "%.1f %% done; %s probes/s; %s open; %s",
				(double)(int64_t)(done * 1000) / 10, rate, open, eta);
}

static void measure(struct progress *p, const struct scan_counters *c, int64_t mono_ns)
{
	int64_t span = mono_ns - p->mark_ns;

	if (span <= 0 || (span < RATE_NS && p->mark_frames > 0))
		return;
	p->rate_pps = (double)(c->frames - p->mark_frames) * (double)NS_PER_S / (double)span;
	if (span >= RATE_NS) {
		p->mark_ns = mono_ns;
		p->mark_frames = c->frames;
	}
}

static int columns(int fd)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return COLUMNS_DEFAULT;
}

static void draw(struct progress *p, const struct scan_counters *c, int64_t mono_ns, int64_t wall_ns)
{
	char text[PROGRESS_LINE_MAX], line[PROGRESS_LINE_MAX + 64];
	size_t len = progress_format(c, p->rate_pps, mono_ns - p->cfg.start_mono_ns, wall_ns, text);
	int room = columns(p->cfg.fd) - 1 - (int)strlen(PREFIX);

	// A line that wraps could not be erased.
	if (room < 10)
		return;
	if (len > (size_t)room)
		text[room] = '\0';
	int n = snprintf(line, sizeof(line), ERASE PREFIX "%s%s%s", p->cfg.color ? BOLD : "", text,
			 p->cfg.color ? PLAIN : "");
	put(p->cfg.fd, line, (size_t)n);
	p->shown = true;
}

void progress_print(struct progress *p, const struct scan_counters *c, int64_t mono_ns, int64_t wall_ns)
{
	char text[PROGRESS_LINE_MAX], line[PROGRESS_LINE_MAX + 16];

	measure(p, c, mono_ns);
	progress_hide(p);
	progress_format(c, p->rate_pps, mono_ns - p->cfg.start_mono_ns, wall_ns, text);
	put(p->cfg.fd, line, (size_t)snprintf(line, sizeof(line), PREFIX "%s\n", text));
}

void progress_update(struct progress *p, const struct scan_counters *c, int64_t mono_ns, int64_t wall_ns)
{
	measure(p, c, mono_ns);
	if (p->cfg.stats_every_ns > 0 && mono_ns - p->stats_ns >= p->cfg.stats_every_ns) {
		// The next one counts from when this was due, unless that is long past.
		p->stats_ns += p->cfg.stats_every_ns;
		if (mono_ns - p->stats_ns >= p->cfg.stats_every_ns)
			p->stats_ns = mono_ns;
		progress_print(p, c, mono_ns, wall_ns);
		p->drawn_ns = mono_ns - DRAW_NS;
	}
	if (p->live && mono_ns - p->drawn_ns >= DRAW_NS) {
		p->drawn_ns = mono_ns;
		draw(p, c, mono_ns, wall_ns);
	}
}

void progress_hide(struct progress *p)
{
	if (!p->shown)
		return;
	put(p->cfg.fd, ERASE, strlen(ERASE));
	p->shown = false;
}
