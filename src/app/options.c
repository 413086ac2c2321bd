#include "app/options.h"

#include <stdlib.h>
#include <string.h>

#include "app/options_private.h"
#include "config/parse.h"

#define TOP_PORTS_FAST 100

struct option_table options_table(struct settings *s, struct option_set sets[OPTIONS_SETS])
{
	const struct {
		const struct option_group *group;
		void *config;
	} parts[OPTIONS_SETS] = {
		{&options_target, &s->target}, {&options_ports, &s->ports},   {&options_order, &s->order},
		{&options_scan, &s->scan},     {&options_timing, &s->timing}, {&options_output, &s->output},
		{&options_misc, &s->misc},
	};
	for (size_t i = 0; i < OPTIONS_SETS; i++)
		sets[i] =
			(struct option_set){parts[i].group->options, parts[i].group->count, parts[i].config};
	return (struct option_table){sets, OPTIONS_SETS};
}

void options_defaults(struct settings *s)
{
	*s = (struct settings){
		.order = {.shard_index = 1, .shard_count = 1},
		.scan = {.engine = ENGINE_AUTO, .batch_size = 300, .receive_batch = 256, .xdp_batch = 64},
		.timing = {.template_level = 3},
		.output = {.xml_scanner_name = "nmap"},
	};
}

// https://no-color.org: set and not empty.
static void read_environment(struct settings *s)
{
	const char *no_color = getenv("NO_COLOR");

	if (no_color && *no_color)
		s->output.no_color = true;
}

static bool only_prints(const struct misc_settings *m)
{
	return m->help || m->version || m->man || m->completion_given;
}

int options_read(struct settings *s, struct config_line **line, int argc, char *const argv[],
		 struct err_text *e)
{
	struct option_set sets[OPTIONS_SETS];
	struct option_table table = options_table(s, sets);

	options_defaults(s);
	int rc = config_line_parse(line, &table, argc, argv, e);
	if (rc)
		return rc;
	s->target.specs = *config_line_targets(*line);
	read_environment(s);
	if (only_prints(&s->misc))
		return 0;
	rc = options_check(s, e);
	if (rc) {
		config_line_free(*line);
		*line = NULL;
		return rc;
	}
	if (s->ports.fast)
		s->ports.top = TOP_PORTS_FAST;
	if ((s->scan.engine == ENGINE_URING || s->scan.engine == ENGINE_EPOLL) && !s->scan.discover_only)
		s->scan.connect = true; // -sS with one of them was refused
	options_apply_template(&s->timing);
	return 0;
}

int options_help(struct buf *b)
{
	struct settings s;
	struct option_set sets[OPTIONS_SETS];
	struct option_table table = options_table(&s, sets);

	return config_help(b, &table, &options_about);
}

int options_man(struct buf *b)
{
	struct settings s;
	struct option_set sets[OPTIONS_SETS];
	struct option_table table = options_table(&s, sets);

	return config_man(b, &table, &options_about);
}

int options_completion(struct buf *b, enum config_shell shell)
{
	struct settings s;
	struct option_set sets[OPTIONS_SETS];
	struct option_table table = options_table(&s, sets);

	return config_complete(b, &table, options_about.program, shell);
}
