// Command lines that must be understood, and the texts made from the real table.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/options.h"
#include "app/options_private.h"
#include "base/clock.h"
#include "base/num.h"
#include "config/parse.h"
#include "unit/app/words.h"

struct read {
	struct words words;
	struct settings s;
	struct config_line *line;
};

static void read_line(struct read *r, const char *text)
{
	struct err_text e = {""};
	words_split(&r->words, text);
	if (options_read(&r->s, &r->line, r->words.argc, r->words.argv, &e))
		fail_msg("%s: %s", text, e.text);
}

// Each row sets one field to something other than its default.
#define FLAG(text, field)                                             \
	{                                                             \
		text, offsetof(struct settings, field), sizeof(bool), \
		{                                                     \
			.flag = true                                  \
		}                                                     \
	}
#define COUNT(text, field, want)                                          \
	{                                                                 \
		text, offsetof(struct settings, field), sizeof(unsigned), \
		{                                                         \
			.number = want                                    \
		}                                                         \
	}
#define U64(text, field, want)                                            \
	{                                                                 \
		text, offsetof(struct settings, field), sizeof(uint64_t), \
		{                                                         \
			.u64 = want                                       \
		}                                                         \
	}
#define TIME(text, field, want)                                          \
	{                                                                \
		text, offsetof(struct settings, field), sizeof(int64_t), \
		{                                                        \
			.ns = want                                       \
		}                                                        \
	}
#define REAL(text, field, want)                                         \
	{                                                               \
		text, offsetof(struct settings, field), sizeof(double), \
		{                                                       \
			.real = want                                    \
		}                                                       \
	}
#define STRING(text, field, want)                          \
	{                                                  \
		text, offsetof(struct settings, field), 0, \
		{                                          \
			.string = want                     \
		}                                          \
	}

static const struct {
	const char *line;
	size_t offset, bytes; // 0 bytes: a string
	union {
		bool flag;
		unsigned number;
		uint64_t u64;
		int64_t ns;
		double real;
		const char *string;
	} want;
} good[] = {
	STRING("-iL list", target.input_file, "list"),
	STRING("-iL -", target.input_file, "-"),
	STRING("-iLlist", target.input_file, "list"),
	STRING("--excludefile x T", target.exclude_file, "x"),
	STRING("--exclude-file x T", target.exclude_file, "x"),
	FLAG("--resolve-all T", target.resolve_all),
	FLAG("--resolve_all T", target.resolve_all),
	FLAG("-n T", target.no_dns),
	FLAG("-R T", target.always_dns),
	STRING("--dns-servers 198.18.0.1 T", target.dns_servers, "198.18.0.1"),
	STRING("--dns-servers [2001:db8::1]:53,198.18.0.1:5353,2001:db8::2 T", target.dns_servers,
	       "[2001:db8::1]:53,198.18.0.1:5353,2001:db8::2"),
	FLAG("-6 T", target.ipv6_names),
	FLAG("--ipv6 T", target.ipv6_names),
	FLAG("--allow-reserved T", target.allow_reserved),
	FLAG("--yes T", target.yes),
	STRING("-p80 T", ports.ports, "80"),
	STRING("-p 80 T", ports.ports, "80"),
	STRING("-p- T", ports.ports, "-"),
	STRING("-p - T", ports.ports, "-"),
	STRING("-p -100 T", ports.ports, "-100"),
	STRING("T -p T:22,U:53", ports.ports, "T:22,U:53"),
	STRING("--ports=1-5 T", ports.ports, "1-5"),
	FLAG("-F T", ports.fast),
	U64("-F T", ports.top, 100),
	U64("--top-ports 7 T", ports.top, 7),
	U64("--top_ports=0x10 T", ports.top, 16),
	STRING("--exclude-ports 5 T", ports.exclude, "5"),
	STRING("--servicedb f T", ports.service_db, "f"),
	FLAG("-r T", order.sequential),
	U64("--seed 18446744073709551615 T", order.seed, UINT64_MAX),
	FLAG("--seed 0 T", order.seed_given),
	U64("--max-probes 5 T", order.max_probes, 5),
	FLAG("-sS T", scan.syn),
	FLAG("-sT T", scan.connect),
	FLAG("-sL T", scan.list_only),
	FLAG("-sn T", scan.discover_only),
	FLAG("-sP T", scan.discover_only),
	FLAG("-Pn T", scan.no_discovery),
	FLAG("--dry-run T", scan.dry_run),
	STRING("-e eth0 T", scan.interface, "eth0"),
	STRING("-eeth0 T", scan.interface, "eth0"),
	STRING("--interface=eth0 T", scan.interface, "eth0"),
	FLAG("-S 198.18.0.1 T", scan.source.has_v4),
	FLAG("--source-ip 198.18.0.1 T", scan.source.has_v4),
	FLAG("-S 2001:db8::1,198.18.0.1 T", scan.source.has_v6),
	U64("-g53 T", scan.source_port, 53),
	U64("--source-port 53 T", scan.source_port, 53),
	FLAG("-g 53 T", scan.source_port_given),
	U64("--ttl 64 T", scan.ttl, 64),
	COUNT("--engine epoll T", scan.engine, ENGINE_EPOLL),
	COUNT("--engine=afpacket T", scan.engine, ENGINE_AFPACKET),
	COUNT("--engine xdp T", scan.engine, ENGINE_XDP),
	U64("--engine xdp --xdp-batch 256 T", scan.xdp_batch, 256),
	U64("--engine xdp T", scan.xdp_batch, 64),
	FLAG("--engine xdp --keep-half-open T", scan.keep_half_open),
	U64("--batch-size 1024 T", scan.batch_size, 1024),
	U64("--receive-batch 16 T", scan.receive_batch, 16),
	U64("--receive-batch 1024 T", scan.receive_batch, 1024),
	FLAG("--receive-batch 256 T", scan.receive_batch_given),
	U64("-sS T", scan.receive_batch, 256),
	U64("--send-threads 16 T", scan.send_threads, 16),
	FLAG("--privileged T", scan.privileged),
	FLAG("--unprivileged T", scan.unprivileged),
	COUNT("-T4 T", timing.template_level, 4),
	COUNT("-T 0 T", timing.template_level, 0),
	COUNT("-T insane T", timing.template_level, 5),
	COUNT("--timing polite T", timing.template_level, 2),
	COUNT("-Tsneaky T", timing.template_level, 1),
	COUNT("-T4 -T4 T", timing.template_level, 4),
	REAL("--min-rate 5 T", timing.min_rate, 5),
	REAL("--max-rate 300k T", timing.max_rate, 300000),
	REAL("--max_rate 5 T", timing.max_rate, 5),
	REAL("-max-rate 5 T", timing.max_rate, 5),
	REAL("--max-ra 5 T", timing.max_rate, 5),
	REAL("--rate=2.5 T", timing.rate, 2.5),
	REAL("--rate 5 --rate 5.0 T", timing.rate, 5),
	REAL("--min-rate 5 --max-rate 5 T", timing.max_rate, 5),
	U64("--max-retries 0 T", timing.max_retries, 0),
	U64("T", timing.max_retries, 10),
	U64("-T5 T", timing.max_retries, 2),
	U64("-T5 --max-retries 9 T", timing.max_retries, 9),
	TIME("--min-rtt-timeout 200ms T", timing.min_rtt_ns, 200 * NS_PER_MS),
	TIME("--max-rtt-timeout 50ms T", timing.max_rtt_ns, 50 * NS_PER_MS),
	TIME("--max-rtt-timeout 50ms T", timing.min_rtt_ns, 50 * NS_PER_MS),
	TIME("--max-rtt-timeout 50ms T", timing.initial_rtt_ns, 50 * NS_PER_MS),
	TIME("--min-rtt-timeout 30s T", timing.max_rtt_ns, 30 * NS_PER_S),
	TIME("--initial-rtt-timeout 20ms T", timing.min_rtt_ns, 20 * NS_PER_MS),
	TIME("--initial-rtt-timeout 20s T", timing.max_rtt_ns, 20 * NS_PER_S),
	TIME("T", timing.min_rtt_ns, 100 * NS_PER_MS),
	TIME("-T5 T", timing.min_rtt_ns, 50 * NS_PER_MS),
	TIME("-T0 T", timing.scan_delay_ns, 300 * NS_PER_S),
	TIME("--scan-delay 0 -T0 T", timing.scan_delay_ns, 0),
	TIME("--host-timeout 2h T", timing.host_timeout_ns, 7200 * NS_PER_S),
	REAL("-T4 T", timing.silent_host_rate, 50000),
	REAL("-T5 T", timing.silent_host_rate, 0),
	REAL("--confidence 0.5 T", timing.confidence, 0.5),
	TIME("--wait 0 T", timing.wait_ns, 0),
	FLAG("--wait 0 T", timing.wait_given),
	STRING("-oN f T", output.files[OUTPUT_NORMAL], "f"),
	STRING("-oX - T", output.files[OUTPUT_XML], "-"),
	STRING("-oXf T", output.files[OUTPUT_XML], "f"),
	STRING("-oG f T", output.files[OUTPUT_GREPABLE], "f"),
	STRING("-oJ f T", output.files[OUTPUT_JSONL], "f"),
	STRING("-oN /dev/null -oJ /dev/null T", output.files[OUTPUT_JSONL], "/dev/null"),
	STRING("-oN a -oJ /a T", output.files[OUTPUT_JSONL], "/a"),
	STRING("-oA base T", output.basename, "base"),
	FLAG("--open T", output.open_only),
	FLAG("--reason T", output.reason),
	FLAG("--all-states T", output.all_states),
	COUNT("-v T", output.verbose, 1),
	COUNT("-vvv T", output.verbose, 3),
	COUNT("-v -vv T", output.verbose, 3),
	COUNT("-v2 T", output.verbose, 2),
	COUNT("-v -v5 T", output.verbose, 5),
	COUNT("--verbose T", output.verbose, 1),
	COUNT("--verbose=4 T", output.verbose, 4),
	COUNT("-vvvvvvvvvvvvvvv T", output.verbose, 10),
	COUNT("-d2 T", output.debug, 2),
	COUNT("-dd T", output.debug, 2),
	COUNT("--debug T", output.debug, 1),
	FLAG("--packet-trace T", output.packet_trace),
	TIME("--stats-every 5s T", output.stats_every_ns, 5 * NS_PER_S),
	TIME("--stats-every 1s --stats-every 1000ms T", output.stats_every_ns, NS_PER_S),
	STRING("--xml-scanner-name x T", output.xml_scanner_name, "x"),
	STRING("T", output.xml_scanner_name, "nmap"),
	FLAG("--no-color T", output.no_color),
	FLAG("--no_colour T", output.no_color),
	FLAG("-h", misc.help),
	FLAG("--help", misc.help),
	FLAG("-V", misc.version),
	FLAG("-version", misc.version),
	FLAG("--man", misc.man),
	COUNT("--completion fish", misc.completion, CONFIG_FISH),
	FLAG("--completion bash", misc.completion_given),
};

static void good_lines_are_understood(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		struct read r;
		read_line(&r, good[i].line);
		const char *at = (const char *)&r.s + good[i].offset;
		bool same;
		if (good[i].bytes) {
			same = memcmp(at, &good[i].want, good[i].bytes) == 0;
		} else {
			const char *text;
			memcpy(&text, at, sizeof(text));
			same = text && strcmp(text, good[i].want.string) == 0;
		}
		if (!same)
			fail_msg("%s: another value than expected", good[i].line);
		config_line_free(r.line);
	}
}

static void lists_and_targets_keep_their_order(void **state)
{
	struct read r;
	(void)state;
	read_line(&r, "a --exclude x -p80 b --exclude=y,z -- -c --open");
	assert_int_equal(r.s.target.specs.count, 4);
	assert_string_equal(r.s.target.specs.items[0], "a");
	assert_string_equal(r.s.target.specs.items[1], "b");
	assert_string_equal(r.s.target.specs.items[2], "-c");
	assert_string_equal(r.s.target.specs.items[3], "--open");
	assert_int_equal(r.s.target.exclude.count, 2);
	assert_string_equal(r.s.target.exclude.items[0], "x");
	assert_string_equal(r.s.target.exclude.items[1], "y,z");
	assert_false(r.s.output.open_only);
	config_line_free(r.line);

	read_line(&r, "--shard 3/3 -S 198.18.0.1,2001:db8::9 T");
	assert_int_equal(r.s.order.shard_index, 3);
	assert_int_equal(r.s.order.shard_count, 3);
	assert_int_equal(addr_v4_value(&r.s.scan.source.v4), 0xc6120001);
	assert_int_equal(r.s.scan.source.v6.lo, 9);
	config_line_free(r.line);
}

static void outputs(void **state)
{
	struct read r;
	char made[64];
	(void)state;
	read_line(&r, "-oA dir/base T");
	assert_string_equal(options_output_file(&r.s.output, OUTPUT_NORMAL, made, sizeof(made)),
			    "dir/base.nmap");
	assert_string_equal(options_output_file(&r.s.output, OUTPUT_XML, made, sizeof(made)), "dir/base.xml");
	assert_string_equal(options_output_file(&r.s.output, OUTPUT_GREPABLE, made, sizeof(made)),
			    "dir/base.gnmap");
	assert_string_equal(options_output_file(&r.s.output, OUTPUT_JSONL, made, sizeof(made)),
			    "dir/base.jsonl");
	assert_false(options_uses_stdout(&r.s.output));
	config_line_free(r.line);
	read_line(&r, "-oJ - T");
	assert_null(options_output_file(&r.s.output, OUTPUT_XML, made, sizeof(made)));
	assert_string_equal(options_output_file(&r.s.output, OUTPUT_JSONL, made, sizeof(made)), "-");
	assert_true(options_uses_stdout(&r.s.output));
	config_line_free(r.line);
}

static void environment_is_heeded(void **state)
{
	struct read r;
	(void)state;
	setenv("NO_COLOR", "", 1);
	read_line(&r, "T");
	assert_false(r.s.output.no_color);
	config_line_free(r.line);
	setenv("NO_COLOR", "1", 1);
	read_line(&r, "T");
	assert_true(r.s.output.no_color);
	config_line_free(r.line);
	unsetenv("NO_COLOR");
}

static void the_table_is_sound(void **state)
{
	struct settings s;
	struct option_set sets[OPTIONS_SETS];
	struct option_table table = options_table(&s, sets);
	struct err_text e = {""};
	(void)state;
	if (config_table_check(&table, &e))
		fail_msg("%s", e.text);
}

// Where the default shown in help is a number, it is the one in force.
static void defaults_are_as_documented(void **state)
{
	struct settings s;
	struct option_set sets[OPTIONS_SETS];
	struct option_table table = options_table(&s, sets);
	size_t compared = 0;
	(void)state;
	options_defaults(&s);
	options_apply_template(&s.timing);
	for (size_t i = 0; i < config_option_count(&table); i++) {
		void *config;
		char first[32];
		const struct option *o = config_option_at(&table, i, &config);
		if (!o->fallback || (o->type != OPT_U64 && o->type != OPT_DURATION))
			continue;
		uint64_t value = 0;
		int64_t ns;
		snprintf(first, sizeof(first), "%.*s", (int)strcspn(o->fallback, ";"), o->fallback);
		if (o->type == OPT_U64 && num_parse_u64(first, 0, UINT64_MAX, "", &value, NULL))
			continue;
		if (o->type == OPT_DURATION) {
			if (num_parse_duration(first, 0, INT64_MAX, "", &ns, NULL))
				continue;
			value = (uint64_t)ns;
		}
		if (memcmp((char *)config + o->offset, &value, sizeof(value)) != 0)
			fail_msg("%s: the default is not %s", o->name, first);
		compared++;
	}
	assert_int_equal(compared, 10);
}

static char *text_of(struct buf *b)
{
	assert_int_equal(buf_put(b, "", 1), 0);
	return (char *)b->data;
}

// Is the name in the text, as a word of its own?
static bool names(const char *text, const char *name)
{
	size_t len = strlen(name);
	for (const char *p = strstr(text, name); p; p = strstr(p + 1, name)) {
		bool starts = p == text || !strchr("-abcdefghijklmnopqrstuvwxyz", p[-1]);
		if (starts && !strchr("-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", p[len]))
			return true;
	}
	return false;
}

static void fish_spelling(char *out, size_t cap, const char *name)
{
	if (name[1] == '-')
		snprintf(out, cap, "-l %s", name + 2);
	else
		snprintf(out, cap, "%s %s", name[2] ? "-o" : "-s", name + 1);
}

// roff writes a dash that is one as \-
static void man_spelling(char *out, size_t cap, const char *name)
{
	size_t len = (size_t)snprintf(out, cap, "Fl \\&");
	for (const char *p = name + 1; *p && len + 3 < cap; p++) {
		if (*p == '-')
			out[len++] = '\\';
		out[len++] = *p;
	}
	out[len] = '\0';
}

static void every_option_is_in_every_text(void **state)
{
	struct settings s;
	struct option_set sets[OPTIONS_SETS];
	struct option_table table = options_table(&s, sets);
	struct buf help, man, bash, zsh, fish;
	(void)state;
	struct buf *all[] = {&help, &man, &bash, &zsh, &fish};
	for (size_t i = 0; i < COUNT_OF(all); i++)
		buf_init(all[i], 1 << 20);
	assert_int_equal(options_help(&help), 0);
	assert_int_equal(options_man(&man), 0);
	assert_int_equal(options_completion(&bash, CONFIG_BASH), 0);
	assert_int_equal(options_completion(&zsh, CONFIG_ZSH), 0);
	assert_int_equal(options_completion(&fish, CONFIG_FISH), 0);
	for (size_t i = 0; i < COUNT_OF(all); i++)
		(void)text_of(all[i]);
	for (size_t i = 0; i < config_option_count(&table); i++) {
		const struct option *o = config_option_at(&table, i, NULL);
		char spelling[64];
		if (!names((char *)help.data, o->name) || !strstr((char *)help.data, o->group))
			fail_msg("%s is not in --help", o->name);
		man_spelling(spelling, sizeof(spelling), o->name);
		if (!names((char *)man.data, spelling))
			fail_msg("%s is not in the manual page", o->name);
		if (!names((char *)bash.data, o->name) || !names((char *)zsh.data, o->name))
			fail_msg("%s is not in the completions of bash and zsh", o->name);
		fish_spelling(spelling, sizeof(spelling), o->name);
		if (!names((char *)fish.data, spelling))
			fail_msg("%s is not in the completions of fish", o->name);
	}
	size_t column = 0;
	for (const char *p = (char *)help.data; *p; p++) {
		column = *p == '\n' ? 0 : column + 1;
		assert_true(column <= CONFIG_HELP_COLUMNS);
	}
	for (size_t i = 0; i < COUNT_OF(all); i++)
		buf_free(all[i]);
}

// A buffer that is too small is reported, never written past.
static void short_buffers_fail(void **state)
{
	struct buf b;
	(void)state;
	for (size_t cap = 0; cap < 4000; cap += 37) {
		buf_init(&b, cap);
		assert_int_not_equal(options_help(&b), 0);
		buf_reset(&b);
		assert_int_not_equal(options_man(&b), 0);
		buf_reset(&b);
		assert_int_not_equal(options_completion(&b, CONFIG_ZSH), 0);
		buf_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_lines_are_understood),
		cmocka_unit_test(lists_and_targets_keep_their_order),
		cmocka_unit_test(outputs),
		cmocka_unit_test(environment_is_heeded),
		cmocka_unit_test(the_table_is_sound),
		cmocka_unit_test(defaults_are_as_documented),
		cmocka_unit_test(every_option_is_in_every_text),
		cmocka_unit_test(short_buffers_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
