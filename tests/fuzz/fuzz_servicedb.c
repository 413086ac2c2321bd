// A file of services: every service is found again by its port, and the most common ones are as many as asked
// for.
#include "fuzz.h"
#include "target/ports.h"
#include "target/services_table.h"

static void check_table(const struct servicedb *db)
{
	const struct service_table *t = servicedb_table(db);

	for (int p = 0; p < PROTO_COUNT; p++) {
		struct portset *top = calloc(1, sizeof(*top));
		if (top == NULL)
			abort();
		for (uint32_t i = t->start[p]; i < t->start[p + 1]; i++)
			FUZZ_CHECK(servicedb_name(db, (enum proto)p, t->services[i].port) ==
				   t->names + t->services[i].name);
		servicedb_top(db, (enum proto)p, 10, top);
		FUZZ_CHECK(portset_count(top, (enum proto)p) == 10);
		free(top);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err_text e = {""};
	struct servicedb *db;

	int r = servicedb_read(&db, "input", (const char *)data, size, &e);
	FUZZ_CHECK((r != 0) == (e.text[0] != '\0'));
	if (r == 0)
		check_table(db);
	servicedb_free(db);
	return 0;
}
