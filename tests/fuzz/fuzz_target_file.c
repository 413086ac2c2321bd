// A file of targets, each of them parsed; an error names the file and the line.
#include <string.h>

#include "fuzz.h"
#include "target/parse.h"

static int each(void *ctx, const char *text, struct err_text *e)
{
	enum target_kind kind;
	struct target_name name;

	FUZZ_CHECK(text[0] != '\0' && strpbrk(text, " \t\r\n#") == NULL);
	return target_parse(text, ctx, &kind, &name, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct addrset *set = addrset_new();
	struct err_text e = {""};

	int r = target_read_text("input", (const char *)data, size, each, set, &e);
	FUZZ_CHECK(r == 0 || strncmp(e.text, "input:", 6) == 0);
	addrset_free(set);
	return 0;
}
