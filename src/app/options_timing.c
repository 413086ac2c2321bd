#include <string.h>

#include "app/options_private.h"
#include "base/clock.h"
#include "base/text.h"

#define AT(field) offsetof(struct timing_settings, field)

#define RATE_MAX 100000000 // a fast network card's line rate is below it

static const char group[] = "TIMING";

static const char *const template_names[] = {"paranoid",   "sneaky", "polite", "normal",
					     "aggressive", "insane", NULL};

static int parse_template(void *config, const char *text, struct err_text *e)
{
	struct timing_settings *t = config;

	for (unsigned i = 0; i < TIMING_TEMPLATES; i++) {
		if (strcmp(text, template_names[i]) == 0 || (text[0] == (char)('0' + i) && !text[1])) {
			t->template_level = i;
			return 0;
		}
	}
	char shown[96];
	text_escape(shown, sizeof(shown), text, strlen(text));
	return err_set(e, ERR_SYNTAX,
		       "\"%s\" is no timing template; expected 0 to 5, or paranoid, sneaky, polite, normal, "
		       "aggressive, insane",
		       shown);
}

static const struct option entries[] = {
	{.name = "-T",
	 .alias = "--timing",
	 .type = OPT_CUSTOM,
	 .parse = parse_template,
	 .choices = template_names,
	 .arg = "0-5",
	 .group = group,
	 .help = "Timing template, from slow to fast, by number or name",
	 .detail =
		 "A template sets the values of the other timing options that were not given. -T0, -T1 and "
		 "-T2 send one frame at a time, 5 minutes, 15 seconds and 0.4 seconds apart however many "
		 "hosts there are (unless --rate, --min-rate or --scan-delay is given), and wait 5, 5 and 1 "
		 "seconds for the first answers. -T3 waits 1 second for them and sends at most 5000 frames "
		 "a second to a host that has answered nothing. -T4 waits 0.5 seconds, and never more than "
		 "1.2, sends a probe again at most 6 times, and up to 50,000 frames a second to a silent "
		 "host. -T5 waits 0.25 seconds, later 0.05 to 0.3, sends a probe again at most twice, with "
		 "no limit for silent hosts, and gives up on a host after 15 minutes. Of all frames 50,000 "
		 "a second are the start, 200,000 with -T4 and 500,000 with -T5; what follows depends on "
		 "the answers.",
	 .fallback = "3"},
	{.name = "--min-rate",
	 .type = OPT_RATE,
	 .offset = AT(min_rate),
	 .max = RATE_MAX,
	 .arg = "R",
	 .group = group,
	 .help = "Send at least this many frames a second (1000, 300k, 1.2M)",
	 .detail = "The evidence of losses does not slow the scan below it; --scan-delay and --max-rate do."},
	{.name = "--max-rate",
	 .type = OPT_RATE,
	 .offset = AT(max_rate),
	 .max = RATE_MAX,
	 .arg = "R",
	 .group = group,
	 .help = "Send at most this many frames a second",
	 .detail =
		 "No second carries more; about 1 % is left free so that this holds on a busy machine too."},
	{.name = "--rate",
	 .type = OPT_RATE,
	 .offset = AT(rate),
	 .max = RATE_MAX,
	 .arg = "R",
	 .group = group,
	 .help = "Send exactly this many frames a second, whatever is lost",
	 .detail = "They leave in batches of a thousandth of R, and when the machine was held up, what 10 ms "
		   "of R would have been is caught up. --scan-delay, when given, still holds for each host.",
	 .fallback = "the fastest at which nothing is missed"},
	{.name = "--max-retries",
	 .type = OPT_U64,
	 .offset = AT(max_retries),
	 .set_offset = AT(max_retries_given),
	 .max = 100,
	 .arg = "N",
	 .group = group,
	 .help = "Send a probe again at most this often",
	 .detail = "Fewer are sent when --confidence is reached before. Host discovery sends each probe at "
		   "most three times.",
	 .fallback = "10; 6 with -T4, 2 with -T5"},
	{.name = "--min-rtt-timeout",
	 .type = OPT_DURATION,
	 .offset = AT(min_rtt_ns),
	 .set_offset = AT(min_rtt_given),
	 .min = NS_PER_MS,
	 .max = 60 * NS_PER_S,
	 .arg = "TIME",
	 .group = group,
	 .help = "Wait at least this long for an answer (500ms, 1.5s)",
	 .fallback = "100ms; 50ms with -T5"},
	{.name = "--max-rtt-timeout",
	 .type = OPT_DURATION,
	 .offset = AT(max_rtt_ns),
	 .set_offset = AT(max_rtt_given),
	 .min = NS_PER_MS,
	 .max = 600 * NS_PER_S,
	 .arg = "TIME",
	 .group = group,
	 .help = "Wait at most this long for an answer",
	 .fallback = "10s; 1200ms with -T4, 300ms with -T5"},
	{.name = "--initial-rtt-timeout",
	 .type = OPT_DURATION,
	 .offset = AT(initial_rtt_ns),
	 .set_offset = AT(initial_rtt_given),
	 .min = NS_PER_MS,
	 .max = 600 * NS_PER_S,
	 .arg = "TIME",
	 .group = group,
	 .help = "Wait this long until the first answers were measured",
	 .fallback = "1s; 500ms with -T4, 250ms with -T5"},
	{.name = "--scan-delay",
	 .type = OPT_DURATION,
	 .offset = AT(scan_delay_ns),
	 .set_offset = AT(scan_delay_given),
	 .max = 3600 * NS_PER_S,
	 .arg = "TIME",
	 .group = group,
	 .help = "Leave this much time between frames to one host",
	 .detail = "A delay of -T0, -T1 or -T2 is left out when --rate or --min-rate is given.",
	 .fallback = "0; 5m, 15s and 400ms with -T0, -T1 and -T2"},
	{.name = "--host-timeout",
	 .type = OPT_DURATION,
	 .offset = AT(host_timeout_ns),
	 .set_offset = AT(host_timeout_given),
	 .max = 30 * 24 * 3600 * NS_PER_S,
	 .arg = "TIME",
	 .group = group,
	 .help = "Give up on a host after this long; 0 is never",
	 .fallback = "0; 15m with -T5"},
	{.name = "--confidence",
	 .type = OPT_PROBABILITY,
	 .offset = AT(confidence),
	 .arg = "P",
	 .group = group,
	 .help = "Try until an open port is found with this probability (0.999)",
	 .fallback = "0.9999",
	 .detail = "The number of tries follows from the loss measured, up to --max-retries. The summary "
		   "says which "
		   "confidence was reached."},
	{.name = "--wait",
	 .type = OPT_DURATION,
	 .offset = AT(wait_ns),
	 .set_offset = AT(wait_given),
	 .max = 3600 * NS_PER_S,
	 .arg = "TIME",
	 .group = group,
	 .help = "Listen this long after the last frame",
	 .detail = "When everything was answered there is nothing to wait for, and the scan ends at once.",
	 .fallback = "twice the time-out"},
};

const struct option_group options_timing = {entries, COUNT_OF(entries)};

// What a template says of one host's answers and of the frames to it.
struct timing_template {
	int64_t min_rtt_ns, initial_rtt_ns, max_rtt_ns, scan_delay_ns, host_timeout_ns;
	uint64_t max_retries;
	double silent_host_rate;
};

static const struct timing_template templates[TIMING_TEMPLATES] = {
	{100 * NS_PER_MS, 5 * NS_PER_S, 60 * NS_PER_S, 300 * NS_PER_S, 0, 10, 5000},
	{100 * NS_PER_MS, 5 * NS_PER_S, 15 * NS_PER_S, 15 * NS_PER_S, 0, 10, 5000},
	{100 * NS_PER_MS, NS_PER_S, 10 * NS_PER_S, 400 * NS_PER_MS, 0, 10, 5000},
	{100 * NS_PER_MS, NS_PER_S, 10 * NS_PER_S, 0, 0, 10, 5000},
	{100 * NS_PER_MS, 500 * NS_PER_MS, 1200 * NS_PER_MS, 0, 0, 6, 50000},
	{50 * NS_PER_MS, 250 * NS_PER_MS, 300 * NS_PER_MS, 0, 900 * NS_PER_S, 2, 0},
};

static int64_t clamp_ns(int64_t v, int64_t low, int64_t high)
{
	return v < low ? low : v > high ? high : v;
}

void options_apply_template(struct timing_settings *t)
{
	const struct timing_template *from = &templates[t->template_level];

	if (!t->max_retries_given)
		t->max_retries = from->max_retries;
	if (!t->scan_delay_given && t->rate <= 0 && t->min_rate <= 0)
		t->scan_delay_ns = from->scan_delay_ns;
	if (!t->host_timeout_given)
		t->host_timeout_ns = from->host_timeout_ns;
	t->silent_host_rate = from->silent_host_rate;

	// A limit that was given moves those that were not.
	if (!t->min_rtt_given) {
		t->min_rtt_ns = from->min_rtt_ns;
		if (t->initial_rtt_given && t->initial_rtt_ns < t->min_rtt_ns)
			t->min_rtt_ns = t->initial_rtt_ns;
		if (t->max_rtt_given && t->max_rtt_ns < t->min_rtt_ns)
			t->min_rtt_ns = t->max_rtt_ns;
	}
	if (!t->max_rtt_given) {
		t->max_rtt_ns = from->max_rtt_ns;
		if (t->initial_rtt_given && t->initial_rtt_ns > t->max_rtt_ns)
			t->max_rtt_ns = t->initial_rtt_ns;
		if (t->min_rtt_ns > t->max_rtt_ns)
			t->max_rtt_ns = t->min_rtt_ns;
	}
	if (!t->initial_rtt_given)
		t->initial_rtt_ns = clamp_ns(from->initial_rtt_ns, t->min_rtt_ns, t->max_rtt_ns);
}
