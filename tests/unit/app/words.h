// A command line written as one string, taken apart for the tests of the options.
#pragma once

#include <string.h>

struct words {
	char text[512];
	char *argv[64];
	int argc;
};

// Words are separated by single spaces; '' is an empty one, ^ a space within a word.
static inline void words_split(struct words *w, const char *line)
{
	static char program[] = "prtip";
	char *save = NULL;

	strncpy(w->text, line, sizeof(w->text) - 1);
	w->text[sizeof(w->text) - 1] = '\0';
	w->argc = 0;
	w->argv[w->argc++] = program;
	for (char *p = strtok_r(w->text, " ", &save); p && w->argc < 63; p = strtok_r(NULL, " ", &save)) {
		if (strcmp(p, "''") == 0)
			*p = '\0';
		for (char *c = p; *c; c++) {
			if (*c == '^')
				*c = ' ';
		}
		w->argv[w->argc++] = p;
	}
	w->argv[w->argc] = NULL;
}
