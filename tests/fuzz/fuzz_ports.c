// Port syntax: what is understood is written and read again without a difference.
#include <string.h>

#include "fuzz.h"
#include "target/ports.h"

static void check_written(const struct servicedb *db, const struct portset *set, enum proto p)
{
	struct portset *again = calloc(1, sizeof(*again));
	char *text = portset_format(set, p);

	if (again == NULL)
		abort();
	if (text[0] != '\0')
		FUZZ_CHECK(ports_parse(text, db, 1U << p, again, NULL) == 0);
	FUZZ_CHECK(memcmp(set->bits[p], again->bits[p], sizeof(set->bits[p])) == 0);
	free(again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct portset *set = calloc(1, sizeof(*set));
	char *text = strndup((const char *)data, size);
	struct err_text e = {""};
	struct servicedb *db;

	if (set == NULL || servicedb_open(&db, NULL, NULL) != 0)
		abort();
	int r = ports_parse(text, db, 1U << (size % PROTO_COUNT) | 1, set, &e);
	FUZZ_CHECK((r != 0) == (e.text[0] != '\0'));
	if (r == 0) {
		for (int p = 0; p < PROTO_COUNT; p++)
			check_written(db, set, (enum proto)p);
	}
	servicedb_free(db);
	free(text);
	free(set);
	return 0;
}
