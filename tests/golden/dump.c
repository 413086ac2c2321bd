// Writes one scene in one format: golden_dump FORMAT SCENE FILE|- [MODULE.so]. "-" is standard output.
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/module.h"
#include "golden/scene.h"

static const struct sink_ops *find(const char *format, const char *module)
{
	struct err_text e = {""};
	const struct module_info *(*entry)(void);

	if (strcmp(format, "xml") != 0) {
		const struct sink_ops *ops = sink_find(format, &e);
		if (!ops)
			fprintf(stderr, "%s\n", e.text);
		return ops;
	}
	void *lib = dlopen(module, RTLD_NOW | RTLD_LOCAL);
	if (!lib) {
		fprintf(stderr, "%s\n", dlerror());
		return NULL;
	}
	*(void **)&entry = dlsym(lib, MODULE_SYMBOL);
	return entry && entry()->abi == MODULE_ABI ? entry()->ops : NULL;
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	const struct sink_ops *ops = find(argv[1], argc > 4 ? argv[4] : "");
	enum scene_kind kind = strcmp(argv[2], "full") == 0          ? SCENE_FULL
			       : strcmp(argv[2], "interrupted") == 0 ? SCENE_INTERRUPTED
								     : SCENE_LIST;
	int fd =
		strcmp(argv[3], "-") == 0 ? 1 : open(argv[3], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (!ops || fd < 0)
		return 2;
	struct scan_info info = scene_info(kind);
	int rc = scene_play(ops, kind, &info, fd);
	if (rc)
		fprintf(stderr, "%s: %s\n", argv[1], err_name(rc));
	return rc ? 1 : 0;
}
