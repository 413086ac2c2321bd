// Port syntax: what is understood is written and read again without a difference.
#include <string.h>

#include "fuzz.h"
#include "target/ports.h"

// A small table, since every unknown name is compared with all of it.
static const char services[] =
	"ssh 22/tcp 0.2\nhttp 80/tcp 0.5\nhttps 443/tcp 0.4\nhttp-proxy 8080/tcp 0.1\n"
	"domain 53/udp 0.3\ndomain 53/tcp 0.1\nsnmp 161/udp 0.2\ns1-control 36412/sctp 0\n";

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

	if (set == NULL || servicedb_read(&db, "table", services, sizeof(services) - 1, NULL) != 0)
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
