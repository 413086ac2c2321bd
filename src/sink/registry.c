#include <string.h>

#include "base/text.h"
#include "sink/sink.h"

static const struct sink_ops *const formats[] = {&sink_normal, &sink_jsonl, &sink_grepable};

const struct sink_ops *sink_find(const char *name, struct err_text *e)
{
	char safe[64];

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (strcmp(formats[i]->name, name) == 0)
			return formats[i];
	}
	text_escape(safe, sizeof(safe), name, strlen(name));
	err_set(e, ERR_UNSUPPORTED, "no output format \"%s\" in the program itself", safe);
	return NULL;
}
