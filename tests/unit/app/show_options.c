// Prints what the option table generates, for tools/check-options: the program without the scanner.
#include <stdio.h>

#include "app/options.h"
#include "config/parse.h"

int main(int argc, char *argv[])
{
	struct settings s;
	struct config_line *line;
	struct err_text e = {""};
	struct buf b;
	int rc = options_read(&s, &line, argc, argv, &e);

	if (rc) {
		fprintf(stderr, "prtip: %s\n", e.text);
		return 2;
	}
	buf_init(&b, 1 << 20);
	if (s.misc.help)
		rc = options_help(&b);
	else if (s.misc.man)
		rc = options_man(&b);
	else if (s.misc.completion_given)
		rc = options_completion(&b, (enum config_shell)s.misc.completion);
	if (rc == 0)
		fwrite(b.data, 1, b.len, stdout);
	buf_free(&b);
	config_line_free(line);
	return rc ? 1 : 0;
}
