#include "app/outputs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/module.h"
#include "base/text.h"

static const char *const format_names[OUTPUT_FORMATS] = {
	[OUTPUT_NORMAL] = "normal",
	[OUTPUT_XML] = "xml",
	[OUTPUT_GREPABLE] = "grepable",
	[OUTPUT_JSONL] = "jsonl",
};

static const struct sink_ops *find_format(enum output_format f, struct err_text *e)
{
	if (f != OUTPUT_XML)
		return sink_find(format_names[f], e);
	const void *ops = NULL;
	return module_load("xml", &ops, e) ? NULL : ops;
}

// A file that was there keeps its content until all are open.
static int open_file(const char *path, bool *made)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	*made = fd >= 0;
	if (fd < 0 && errno == EEXIST)
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : fd;
}

static int cannot_write(struct err_text *e, const char *path, int err)
{
	char safe[256];
	text_escape(safe, sizeof(safe), path, strlen(path));
	return err_set(e, err, "cannot write %s: %s", safe, err_name(err));
}

static int check_file(const char *path, struct err_text *e)
{
	struct stat st;
	char folder[PATH_MAX];
	if (strcmp(path, "-") == 0)
		return 0;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return cannot_write(e, path, -EISDIR);
	if (access(path, W_OK) == 0)
		return 0;
	if (errno != ENOENT)
		return cannot_write(e, path, -errno);
	snprintf(folder, sizeof(folder), "%s", path);
	char *slash = strrchr(folder, '/');
	if (slash)
		slash[slash == folder] = '\0';
	return access(slash ? folder : ".", W_OK) ? cannot_write(e, path, -errno) : 0;
}

int outputs_check(const struct settings *s, struct err_text *e)
{
	int r = 0;
	for (int f = 0; f < OUTPUT_FORMATS && !r; f++) {
		char text[PATH_MAX];
		const char *path = options_output_file(&s->output, (enum output_format)f, text, sizeof(text));
		if (path)
			r = check_file(path, e);
	}
	return r;
}

static int add(struct outputs *o, enum output_format f, const char *path, struct err_text *e)
{
	size_t i = o->count;
	const struct sink_ops *ops = find_format(f, e);
	if (!ops)
		return ERR_MODULE;
	char safe[256];
	text_escape(safe, sizeof(safe), path, strlen(path));
	bool standard = strcmp(path, "-") == 0;
	int fd = standard ? 1 : open_file(path, &o->made[i]);
	if (fd < 0)
		return cannot_write(e, path, fd);
	snprintf(o->paths[i], sizeof(o->paths[i]), "%s", standard ? "standard output" : safe);
	o->fds[i] = fd;
	o->ops[i] = ops;
	o->count++;
	return 0;
}

bool outputs_want_hosts(const struct settings *s)
{
	bool any = !options_uses_stdout(&s->output) || s->output.basename;
	for (int f = 0; f < OUTPUT_FORMATS; f++)
		any |= s->output.files[f] && f != OUTPUT_JSONL;
	return any;
}

// Nothing is left of an attempt that failed.
static void take_back(struct outputs *o, const struct settings *s)
{
	size_t i = 0;
	for (int f = 0; f < OUTPUT_FORMATS && i < o->count; f++) {
		char text[PATH_MAX];
		const char *path = options_output_file(&s->output, (enum output_format)f, text, sizeof(text));
		if (!path)
			continue;
		if (o->made[i])
			unlink(path);
		if (o->fds[i] > 2)
			close(o->fds[i]);
		i++;
	}
	o->count = 0;
}

// Files only: a pipe or device cannot be cut and need not be.
static int empty_files(struct outputs *o, struct err_text *e)
{
	for (size_t i = 0; i < o->count; i++) {
		if (o->fds[i] <= 2 || o->made[i] || ftruncate(o->fds[i], 0) == 0 || errno == EINVAL)
			continue;
		int err = -errno;
		return err_set(e, err, "cannot empty %s: %s", o->paths[i], err_name(err));
	}
	return 0;
}

int outputs_open_files(struct outputs *o, const struct settings *s, struct err_text *e)
{
	memset(o, 0, sizeof(*o));
	int r = 0;
	for (int f = 0; f < OUTPUT_FORMATS && !r; f++) {
		char text[PATH_MAX];
		const char *path = options_output_file(&s->output, (enum output_format)f, text, sizeof(text));
		if (path)
			r = add(o, (enum output_format)f, path, e);
	}
	if (!r && !options_uses_stdout(&s->output))
		r = add(o, OUTPUT_NORMAL, "-", e);
	if (!r)
		r = empty_files(o, e);
	if (r)
		take_back(o, s);
	return r;
}

static int start_sink(struct outputs *o, size_t i, const struct outputs_config *cfg, struct err_text *e)
{
	struct sink_config sc = {
		.info = cfg->info,
		.service = cfg->service,
		.service_ctx = cfg->service_ctx,
		.asked_name = cfg->asked_name,
		.asked_ctx = cfg->asked_ctx,
		.hosts_follow = cfg->hosts_follow,
		.fd = o->fds[i],
		.stop_fd = cfg->stop_fd,
		.path = o->paths[i],
	};
	return o->ops[i]->open(&o->sinks[i], &sc, e);
}

static int shim_record(void *ctx, const struct record *r)
{
	const struct outputs_shim *s = ctx;
	return s->ops->record ? s->ops->record(s->sink, r) : 0;
}

static int shim_host(void *ctx, const struct host_result *h)
{
	const struct outputs_shim *s = ctx;
	return s->ops->host ? s->ops->host(s->sink, h) : 0;
}

static int shim_flush(void *ctx)
{
	const struct outputs_shim *s = ctx;
	return s->ops->flush(s->sink);
}

static int shim_close(void *ctx, const struct scan_summary *sum)
{
	const struct outputs_shim *s = ctx;
	return s->ops->close(s->sink, sum);
}

int outputs_start(struct outputs *o, const struct outputs_config *cfg, struct err_text *e)
{
	struct fanout_target targets[OUTPUTS_MAX];
	for (size_t i = 0; i < o->count; i++) {
		int r = start_sink(o, i, cfg, e);
		if (r)
			return r;
		if (o->fds[i] > 2 && !o->failed) // a disk that is full already costs no scan
			o->failed = o->ops[i]->flush(o->sinks[i]);
		o->shims[i] = (struct outputs_shim){o->sinks[i], o->ops[i]};
		targets[i] = (struct fanout_target){
			.name = o->paths[i],
			.ctx = &o->shims[i],
			.record = o->ops[i]->record ? shim_record : NULL,
			.host = o->ops[i]->host ? shim_host : NULL,
			.flush = shim_flush,
			.close = shim_close,
		};
	}
	struct fanout_config fc = {.targets = targets, .count = o->count, .threaded = cfg->threaded};
	int r = fanout_new(&o->fan, &fc, e);
	if (r && cfg->threaded) { // no thread to be had: slower, but whole
		fc.threaded = false;
		r = fanout_new(&o->fan, &fc, e);
	}
	return r;
}

int outputs_close(struct outputs *o, const struct scan_summary *sum, struct err_text *e)
{
	if (!o->fan)
		return 0;
	size_t failed = 0;
	int r = fanout_close(o->fan, sum, &failed);
	o->fan = NULL;
	return r ? err_set(e, r, "cannot write %s: %s", o->paths[failed], err_name(r)) : 0;
}
