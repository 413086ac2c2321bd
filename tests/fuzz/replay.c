// Runs every file of a corpus folder through a fuzz target, whole and cut short at each of its first bytes,
// and prints TAP. A crash is seen by the test runner.
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "fuzz.h"

#define FILE_MAX 1048576
#define CUTS_MAX 600

// The input in memory of its exact size, so that the sanitizers and valgrind see a read behind it.
static void run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + (size == 0));

	if (copy == NULL)
		abort();
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static bool run_file(const char *folder, const char *name)
{
	static uint8_t data[FILE_MAX];
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *f = fopen(path, "rb");
	if (f == NULL)
		return false;
	size_t size = fread(data, 1, sizeof(data), f);
	bool whole = feof(f) && !ferror(f);
	fclose(f);
	for (size_t cut = 0; cut < size && cut < CUTS_MAX; cut++)
		run(data, cut);
	run(data, size);
	return whole;
}

static int is_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
	struct dirent **entries;

	if (argc != 2)
		return 2;
	int count = scandir(argv[1], &entries, is_file, alphasort);
	if (count <= 0) {
		printf("1..1\nnot ok 1 - no corpus in %s\n", argv[1]);
		return 1;
	}
	printf("1..%d\n", count);
	for (int i = 0; i < count; i++) {
		bool ok = run_file(argv[1], entries[i]->d_name);
		printf("%sok %d - %s\n", ok ? "" : "not ", i + 1, entries[i]->d_name);
		fflush(stdout);
		free(entries[i]);
	}
	free(entries);
	return 0;
}
