#include "app/module.h"

#include <cap-ng.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/module.h"
#include "base/text.h"

// Whom a file may belong to.
struct trust {
	bool anybody; // an ordinary process of an ordinary user: no check
	uid_t owner;  // besides root
};

static int program_path(char path[PATH_MAX], struct err_text *e)
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
	if (n <= 0)
		return err_set(e, -errno, "cannot read /proc/self/exe: %s", err_name(-errno));
	path[n] = '\0';
	return 0;
}

static struct trust trust_of_process(const char *program)
{
	struct trust t = {0};
	bool secure = getauxval(AT_SECURE) != 0;
	bool root = getuid() == 0 && geteuid() == 0;
	bool rights =
		capng_get_caps_process() != 0 || capng_have_capabilities(CAPNG_SELECT_CAPS) != CAPNG_NONE;
	t.anybody = !secure && !root && !rights;
	struct stat st;
	if (root && !secure && stat(program, &st) == 0)
		t.owner = st.st_uid;
	return t;
}

// `strict`: nobody else may even add files. Else the sticky bit will do: what is root's stays in its place.
static bool is_safe(const struct trust *t, const char *path, bool strict)
{
	struct stat st;
	if (lstat(path, &st) || (st.st_uid != 0 && st.st_uid != t->owner))
		return false;
	bool sticky = S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX) && !strict;
	return sticky || !(st.st_mode & (S_IWGRP | S_IWOTH));
}

// The file, its folder and all above; `path` has no symbolic links in it.
static bool is_trusted(const struct trust *t, const char *path, struct err_text *e)
{
	char at[PATH_MAX];
	snprintf(at, sizeof(at), "%s", path);
	for (unsigned level = 0;; level++) {
		const char *part = at[0] ? at : "/";
		if (!is_safe(t, part, level <= 1)) {
			err_set(e, ERR_MODULE,
				"not loading %s with extra rights: others than root can change %s", path,
				part);
			return false;
		}
		char *slash = strrchr(at, '/');
		if (!slash)
			return true;
		*slash = '\0';
	}
}

static int check_info(void *handle, const char *name, const char *path, const void **ops, struct err_text *e)
{
	const struct module_info *(*entry)(void);
	void *symbol = dlsym(handle, MODULE_SYMBOL);
	if (!symbol)
		return err_set(e, ERR_MODULE, "%s is not a module of prtip", path);
	memcpy(&entry, &symbol, sizeof(entry));
	const struct module_info *info = entry();
	if (!info || info->abi != MODULE_ABI || strcmp(info->name, name) != 0)
		return err_set(e, ERR_MODULE, "%s belongs to another version of prtip", path);
	*ops = info->ops;
	return 0;
}

static int load(const char *name, const char *file, const struct trust *trust, const void **ops,
		struct err_text *e)
{
	char text[256], path[PATH_MAX];
	struct stat st;
	if (lstat(file, &st) || !S_ISREG(st.st_mode) || !realpath(file, path))
		return err_set(e, ERR_MODULE, "%s is not a plain file", file);
	if (!trust->anybody && !is_trusted(trust, path, e))
		return ERR_MODULE;
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		const char *why = dlerror();
		text_escape(text, sizeof(text), why, strlen(why));
		return err_set(e, ERR_MODULE, "cannot load the module %s: %s", name, text);
	}
	int rc = check_info(handle, name, path, ops, e);
	if (rc)
		dlclose(handle);
	return rc;
}

int module_load(const char *name, const void **ops, struct err_text *e)
{
	char program[PATH_MAX], path[PATH_MAX + 64];
	int rc = program_path(program, e);
	if (rc)
		program[0] = '\0'; // no /proc: the program's own folder is unknown
	struct trust trust = trust_of_process(program);
	char *slash = strrchr(program, '/');
	if (slash)
		*slash = '\0';
	const char *const folders[] = {program, PRTIP_MODULE_DIR};
	for (unsigned i = rc ? 1 : 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(path, sizeof(path), "%s/libprtip-%s.so", folders[i], name);
		if (access(path, F_OK) == 0)
			return load(name, path, &trust, ops, e);
	}
	if (rc)
		return err_set(e, ERR_MODULE,
			       "the module libprtip-%s.so is not in %s, and without /proc the program's own "
			       "folder is not known",
			       name, PRTIP_MODULE_DIR);
	return err_set(e, ERR_MODULE, "the module libprtip-%s.so is missing: it is neither in %s nor in %s",
		       name, program, PRTIP_MODULE_DIR);
}
