// Target syntax: an error comes with a text; a target makes a set whose ends are found again.
#include <string.h>

#include "fuzz.h"
#include "target/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct addrset *set = addrset_new();
	char *text = strndup((const char *)data, size);
	enum target_kind kind;
	struct target_name name;
	struct err_text e = {""};
	struct addr a;
	u128 index;

	int r = target_parse(text, set, &kind, &name, &e);
	FUZZ_CHECK((r != 0) == (e.text[0] != '\0'));
	addrset_seal(set);
	u128 count = addrset_count(set);
	if (r == 0 && kind == TARGET_NAME)
		FUZZ_CHECK(count == 0 && name.name[0] != '\0' && strlen(name.name) < sizeof(name.name));
	if (r == 0 && kind == TARGET_RANGES) {
		FUZZ_CHECK(count > 0);
		addrset_at(set, 0, &a);
		FUZZ_CHECK(addrset_index(set, &a, &index) && index == 0);
		addrset_at(set, count - 1, &a);
		FUZZ_CHECK(addrset_index(set, &a, &index) && index == count - 1);
	}
	free(text);
	addrset_free(set);
	return 0;
}
