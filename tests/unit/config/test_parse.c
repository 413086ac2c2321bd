// The engine on a small table of its own.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config/help.h"
#include "config/parse.h"
#include "config/quote.h"

struct conf {
	bool flag, flag_x, given;
	unsigned count, choice;
	uint64_t number;
	int64_t time;
	double rate;
	const char *text, *longer;
	struct option_list list, other;
	char custom[16];
};

static int parse_custom(void *config, const char *text, struct err_text *e)
{
	struct conf *c = config;
	if (strlen(text) >= sizeof(c->custom))
		return err_set(e, ERR_RANGE, "\"%s\" is too long; expected 15 letters", text);
	strcpy(c->custom, text);
	return 0;
}

static const char *const choices[] = {"red", "green", NULL};

#define AT(field) offsetof(struct conf, field)
#define COMMON    .group = "GROUP", .help = "does it"

static const struct option first[] = {
	{.name = "-f", .alias = "--flag", .type = OPT_FLAG, .offset = AT(flag), COMMON},
	{.name = "-fx", .type = OPT_FLAG, .offset = AT(flag_x), .set_offset = AT(given), COMMON},
	{.name = "-c", .alias = "--count", .type = OPT_COUNT, .offset = AT(count), .max = 5, COMMON},
	{.name = "-t", .type = OPT_STRING, .offset = AT(text), .arg = "TEXT", COMMON},
	{.name = "-tt",
	 .alias = "--text-two",
	 .type = OPT_STRING,
	 .offset = AT(longer),
	 .arg = "TEXT",
	 COMMON},
};
static const struct option second[] = {
	{.name = "--number", .type = OPT_U64, .offset = AT(number), .max = 9, .arg = "N", COMMON},
	{.name = "--num-time",
	 .type = OPT_DURATION,
	 .offset = AT(time),
	 .max = 9000000000,
	 .arg = "T",
	 COMMON},
	{.name = "--rate",
	 .alias = "--rate-too",
	 .type = OPT_RATE,
	 .offset = AT(rate),
	 .max = 9,
	 .arg = "R",
	 COMMON},
	{.name = "--list", .alias = "-l", .type = OPT_LIST, .offset = AT(list), .arg = "X", COMMON},
	{.name = "--other", .type = OPT_LIST, .offset = AT(other), .arg = "X", COMMON},
	{.name = "--colour",
	 .type = OPT_CHOICE,
	 .offset = AT(choice),
	 .choices = choices,
	 .arg = "C",
	 COMMON},
	{.name = "--custom", .type = OPT_CUSTOM, .parse = parse_custom, .arg = "W", COMMON},
};

#define COUNT_OF(a) (sizeof(a) / sizeof(*(a)))

static struct option_table make_table(struct conf *c, struct option_set sets[2])
{
	memset(c, 0, sizeof(*c));
	sets[0] = (struct option_set){first, COUNT_OF(first), c};
	sets[1] = (struct option_set){second, COUNT_OF(second), c};
	return (struct option_table){sets, 2};
}

// Reads one line and renders what came of it.
static void run(const char *text, char *out, size_t cap)
{
	struct conf c;
	struct option_set sets[2];
	struct option_table t = make_table(&c, sets);
	struct config_line *line;
	struct err_text e = {""};
	char copy[256], *argv[32], *save = NULL;
	int argc = 1;

	argv[0] = copy;
	snprintf(copy, sizeof(copy), "%s", text);
	for (char *p = strtok_r(copy, " ", &save); p && argc < 31; p = strtok_r(NULL, " ", &save))
		argv[argc++] = p;
	if (config_line_parse(&line, &t, argc, argv, &e)) {
		assert_null(line);
		assert_true(strlen(e.text) > 0);
		snprintf(out, cap, "%s", e.text);
		return;
	}
	const struct option_list *targets = config_line_targets(line);
	size_t n = (size_t)snprintf(
		out, cap, "%d%d%d c%u C%u n%d t%d r%d %s %s %s l%zu o%zu", c.flag, c.flag_x, c.given, c.count,
		c.choice, (int)c.number, (int)(c.time / 1000000), (int)c.rate, c.text ? c.text : ".",
		c.longer ? c.longer : ".", c.custom[0] ? c.custom : ".", c.list.count, c.other.count);
	for (size_t i = 0; i < targets->count; i++)
		n += (size_t)snprintf(out + n, cap - n, " [%s]", targets->items[i]);
	config_line_free(line);
	assert_null(c.list.items);
}

static const struct {
	const char *line, *want;
} rows[] = {
	{"", "000 c0 C0 n0 t0 r0 . . . l0 o0"},
	{"a -f b", "100 c0 C0 n0 t0 r0 . . . l0 o0 [a] [b]"},
	{"-fx", "011 c0 C0 n0 t0 r0 . . . l0 o0"},
	{"--flag -f", "100 c0 C0 n0 t0 r0 . . . l0 o0"},
	{"--fl", "100 c0 C0 n0 t0 r0 . . . l0 o0"},
	{"-tx", "000 c0 C0 n0 t0 r0 x . . l0 o0"},
	{"-t -", "000 c0 C0 n0 t0 r0 - . . l0 o0"},
	{"-t -z", "000 c0 C0 n0 t0 r0 -z . . l0 o0"},
	{"-t-f", "000 c0 C0 n0 t0 r0 -f . . l0 o0"},
	{"-ttx", "000 c0 C0 n0 t0 r0 . x . l0 o0"},
	{"-tt x -t y", "000 c0 C0 n0 t0 r0 y x . l0 o0"},
	{"--text-two=x=y", "000 c0 C0 n0 t0 r0 . x=y . l0 o0"},
	{"--text_two=--x", "000 c0 C0 n0 t0 r0 . --x . l0 o0"},
	{"-text-two x", "000 c0 C0 n0 t0 r0 . x . l0 o0"},
	{"-text-two=x", "000 c0 C0 n0 t0 r0 . x . l0 o0"},
	{"--te x", "000 c0 C0 n0 t0 r0 . x . l0 o0"},
	{"-t x -t x", "000 c0 C0 n0 t0 r0 x . . l0 o0"},
	{"-ccc", "000 c3 C0 n0 t0 r0 . . . l0 o0"},
	{"-c -c4 -c", "000 c5 C0 n0 t0 r0 . . . l0 o0"},
	{"-cccccccccc", "000 c5 C0 n0 t0 r0 . . . l0 o0"},
	{"--count=2", "000 c2 C0 n0 t0 r0 . . . l0 o0"},
	{"--count 2", "000 c1 C0 n0 t0 r0 . . . l0 o0 [2]"},
	{"--number 9 --num-time 2ms", "000 c0 C0 n9 t2 r0 . . . l0 o0"},
	{"--number 9 --number 0x9", "000 c0 C0 n9 t0 r0 . . . l0 o0"},
	{"--rate-t 3 --rate 3.0", "000 c0 C0 n0 t0 r3 . . . l0 o0"},
	{"--ra 3", "000 c0 C0 n0 t0 r3 . . . l0 o0"}, // name and alias of one option are no ambiguity
	{"--list a -lb --list=a --other c", "000 c0 C0 n0 t0 r0 . . . l3 o1"},
	{"--colour green", "000 c0 C1 n0 t0 r0 . . . l0 o0"},
	{"--custom w", "000 c0 C0 n0 t0 r0 . . w l0 o0"},
	{"-- -f --nope", "000 c0 C0 n0 t0 r0 . . . l0 o0 [-f] [--nope]"},
	{"-f -- --", "100 c0 C0 n0 t0 r0 . . . l0 o0 [--]"},

	{"--num 5", "option \"--num\" is ambiguous: --number, --num-time"},
	{"--flags", "unknown option \"--flags\"; did you mean \"--flag\"?"},
	{"--numbre=5", "unknown option \"--numbre\"; did you mean \"--number\"?"},
	{"--completely-else", "unknown option \"--completely-else\"; see --help"},
	{"-fz", "unknown option \"-fz\"; did you mean \"-f\"?"},
	{"-c9", "-c: \"9\" is out of range; expected a whole number from 0 to 5"},
	{"-cz", "unknown option \"-cz\"; did you mean \"-c\"?"},
	{"-cc1", "unknown option \"-cc1\"; did you mean \"-c\"?"},
	{"--flag=1", "--flag: \"1\" was given, but expected no value"},
	{"-flag=1", "--flag: \"1\" was given, but expected no value"},
	{"--number", "--number: the value is missing; expected a whole number from 0 to 9"},
	{"--number= x", "--number: the value is empty; expected a whole number from 0 to 9"},
	{"--num-time --list",
	 "--num-time: the value is missing before \"--list\"; expected a time such as 500ms or 1.5s"},
	{"--colour=", "--colour: the value is empty; expected one of red, green"},
	{"--colour blue", "--colour: \"blue\" is not known; expected one of red, green"},
	{"-t a -t b", "-t was given twice, as \"a\" and as \"b\"; expected one value"},
	{"--custom a --custom b", "--custom was given twice, as \"a\" and as \"b\"; expected one value"},
	{"--custom abcdefghijklmnop", "--custom: \"abcdefghijklmnop\" is too long; expected 15 letters"},
	{"--rate-too 10", "--rate-too: \"10\" is out of range; expected frames a second above 0 and up to 9"},
};

static void lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char got[512];
		run(rows[i].line, got, sizeof(got));
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("%s\n  gave %s\n  want %s", rows[i].line, got, rows[i].want);
	}
}

// Whatever is left of a line is either understood or refused with a text, and nothing leaks (under ASan).
static void lines_cut_short(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		for (size_t len = 0; len < strlen(rows[i].line); len++) {
			char cut[256], got[512] = "";
			snprintf(cut, sizeof(cut), "%.*s", (int)len, rows[i].line);
			run(cut, got, sizeof(got));
			assert_true(got[0] != '\0');
		}
	}
}

static void faulty_tables(void **state)
{
	static const struct {
		struct option entry;
		const char *want;
	} faults[] = {
		{{.name = "x", .type = OPT_FLAG, COMMON}, "x: a name without dashes"},
		{{.name = "-f", .type = OPT_FLAG, COMMON}, "-f: the name is used twice"},
		{{.name = "-x", .alias = "--text_two", .type = OPT_FLAG, COMMON},
		 "--text_two: the name is used twice"},
		{{.name = "-x", .type = OPT_FLAG, .group = "G"},
		 "-x: no help, or one that ends in a full stop"},
		{{.name = "-x", .type = OPT_FLAG, .group = "G", .help = "Bad."},
		 "-x: no help, or one that ends in a full stop"},
		{{.name = "-x", .type = OPT_FLAG, .help = "h"}, "-x: no group"},
		{{.name = "-x", .type = OPT_STRING, COMMON},
		 "-x: an argument name where none belongs, or none where one does"},
		{{.name = "-x", .type = OPT_U64, .arg = "N", COMMON}, "-x: no range"},
		{{.name = "-x", .type = OPT_U64, .arg = "N", .min = 2, .max = 1, COMMON},
		 "-x: its range is upside down"},
		{{.name = "-x", .type = OPT_CHOICE, .arg = "N", COMMON}, "-x: no choices"},
		{{.name = "-x", .type = OPT_CUSTOM, .arg = "N", COMMON},
		 "-x: a parse function where none belongs, or none where one does"},
	};
	struct conf c;
	struct option_set sets[3];
	(void)state;
	struct option_table t = make_table(&c, sets);
	assert_int_equal(config_table_check(&t, NULL), 0);
	t.count = 3;
	for (size_t i = 0; i < COUNT_OF(faults); i++) {
		struct err_text e = {""};
		sets[2] = (struct option_set){&faults[i].entry, 1, &c};
		assert_int_equal(config_table_check(&t, &e), ERR_USAGE);
		assert_string_equal(e.text, faults[i].want);
	}
}

static void quoting(void **state)
{
	static const struct {
		const char *words[4];
		const char *want;
	} lists[] = {
		{{"prtip", "-p80", "198.18.0.0/16"}, "prtip -p80 198.18.0.0/16"},
		{{"prtip", "", "a b"}, "prtip '' 'a b'"},
		{{"it's"}, "'it'\\''s'"},
		{{"$HOME", "`x`", "a;b", "~"}, "'$HOME' '`x`' 'a;b' '~'"},
		{{"a\nb"}, "$'a\\012b'"},
		{{"\x1b[0m1"}, "$'\\033[0m1'"},
		{{"it's\t\\"}, "$'it\\'s\\011\\\\'"},
		{{"gr\xc3\xbcn"}, "'gr\xc3\xbcn'"},
		{{"\xff"
		  "1"},
		 "$'\\3771'"},
		{{"http*", "[1-5]"}, "'http*' '[1-5]'"},
		{{"#x", "!y"}, "'#x' '!y'"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(lists); i++) {
		char *argv[4];
		int argc = 0;
		struct buf b;
		for (; argc < 4 && lists[i].words[argc]; argc++)
			memcpy(&argv[argc], &lists[i].words[argc], sizeof(char *));
		buf_init(&b, 256);
		config_quote(&b, argc, argv);
		assert_int_equal(buf_put(&b, "", 1), 0);
		assert_string_equal((char *)b.data, lists[i].want);
		buf_free(&b);
	}
}

static void texts_escape_their_formats(void **state)
{
	static const struct option odd[] = {
		{.name = "-x",
		 .alias = "--ex-x",
		 .type = OPT_STRING,
		 .arg = "FILE",
		 .group = "G",
		 .help = "It's [a:b] \\x",
		 .detail = ".SH is no macro here. 'Nor this"},
	};
	static const struct config_about about = {.program = "prog",
						  .version = "1",
						  .date = "July 1, 2025",
						  .summary = "s",
						  .usage = "u",
						  .description = "One.\n\t.code -x"};
	struct conf c;
	struct option_set set = {odd, 1, &c};
	struct option_table t = {&set, 1};
	static const struct {
		int which;
		const char *want;
	} parts[] = {
		{0, "  -x, --ex-x FILE              It's [a:b] \\x\n"},
		{1, ".It Fl \\&x Ar \\&FILE , Fl \\&\\-ex\\-x Ar \\&FILE\nIt's [a:b] \\ex.\n\\&.SH is no "
		    "macro here.\n"
		    "\\&'Nor this\n"},
		{1, "One.\n.Bd -literal -offset indent\n\\&.code \\-x\n.Ed\n"},
		{2, "\t-x|--ex-x) compopt -o filenames;"},
		{3, "'--ex-x=[It'\\''s \\[a\\:b\\] \\\\x]:FILE:_files'"},
		{4, "complete -c prog -s x -l ex-x -r -F -d 'It'\\''s [a:b] \\\\x'\n"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		struct buf b;
		int rc;
		buf_init(&b, 65536);
		if (parts[i].which == 0)
			rc = config_help(&b, &t, &about);
		else if (parts[i].which == 1)
			rc = config_man(&b, &t, &about);
		else
			rc = config_complete(&b, &t, "prog", (enum config_shell)(parts[i].which - 2));
		assert_int_equal(rc, 0);
		assert_int_equal(buf_put(&b, "", 1), 0);
		if (!strstr((char *)b.data, parts[i].want))
			fail_msg("row %zu: not found in\n%s", i, (char *)b.data);
		buf_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(lines_cut_short),
		cmocka_unit_test(faulty_tables),
		cmocka_unit_test(quoting),
		cmocka_unit_test(texts_escape_their_formats),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
