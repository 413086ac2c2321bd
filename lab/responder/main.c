// responder: a host that answers for whole networks, by a rule that is known (lab/README.md).

#include <stdio.h>
#include <string.h>

#include "responder/commands.h"

static const char help[] =
	"usage: responder run IFACE [--prefix P]... [--pass IFACE[@NETNS]] [OPTION...]\n"
	"       responder set IFACE [--pass on|off] [OPTION...]\n"
	"       responder stats IFACE\n"
	"       responder truth [--prefix P]... [--all] [--seed N] [--open N] [--closed N] [--up N] TARGETS "
	"PORTS\n"
	"options, shares in parts per million: --seed N --open N --closed N --up N --loss-in N --loss-out N\n"
	"       --duplicate N --wrong N --late N --late-by MS\n";

int command_fault(const struct err_text *e, int code)
{
	fprintf(stderr, "responder: %s\n", e->text);
	return code == ERR_USAGE || code == ERR_SYNTAX || code == ERR_RANGE || code == ERR_LIMIT ? 2 : 1;
}

static const struct command {
	const char *name;
	enum command_bit bit;
	int (*function)(const struct options *o);
} commands[] = {
	{"run", FOR_RUN, command_run},
	{"set", FOR_SET, command_set},
	{"stats", FOR_STATS, command_stats},
	{"truth", FOR_TRUTH, command_truth},
};

int main(int argc, char **argv)
{
	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		fputs(help, stdout);
		return 0;
	}
	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct options o;
		struct err_text e;
		int rc;

		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		options_defaults(&o);
		rc = options_parse(&o, argv + 2, commands[i].bit, &e);
		// What is set is judged together with what holds already.
		if (rc == 0 && commands[i].bit != FOR_SET)
			rc = options_check(&o, commands[i].bit, &e);
		return rc < 0 ? command_fault(&e, rc) : commands[i].function(&o);
	}
	fprintf(stderr, "responder: %s%s%s\n", argc > 1 ? "there is no command \"" : "a command is needed",
		argc > 1 ? argv[1] : "",
		argc > 1 ? "\": run, set, stats or truth" : ": run, set, stats or truth");
	return 2;
}
