// Names, service names, TCP options and numbers of any kind through every built-in format: no control byte
// comes out, and each JSON line is JSON (yajl's parser is the judge).
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <yajl/yajl_parse.h>

#include "fuzz.h"
#include "sink/sink.h"

struct input {
	const uint8_t *data;
	size_t left;
	char text[4][300];
};

static void take(struct input *in, void *out, size_t n)
{
	size_t have = n < in->left ? n : in->left;

	memset(out, 0, n);
	if (have > 0)
		memcpy(out, in->data, have);
	in->data += have;
	in->left -= have;
}

// Bytes up to a zero or the room's end.
static const char *take_text(struct input *in, unsigned which)
{
	uint8_t len;

	take(in, &len, 1);
	take(in, in->text[which], len);
	in->text[which][len] = '\0';
	return in->text[which];
}

static const char *service(void *ctx, uint8_t proto, uint16_t port)
{
	(void)proto;
	return port % 2 ? (const char *)ctx : "http";
}

static void judge_json(const char *line, size_t len)
{
	yajl_handle h = yajl_alloc(NULL, NULL, NULL);

	if (yajl_parse(h, (const unsigned char *)line, len) != yajl_status_ok ||
	    yajl_complete_parse(h) != yajl_status_ok)
		abort();
	yajl_free(h);
}

static void judge(int fd, bool json)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char *all = malloc((size_t)size + 1);

	if (!all || pread(fd, all, (size_t)size, 0) != size || size == 0 || all[size - 1] != '\n')
		abort();
	for (off_t i = 0, start = 0; i < size; i++) {
		if ((unsigned char)all[i] < 0x20 && all[i] != '\n' && all[i] != '\t')
			abort();
		if (all[i] == '\n') {
			if (json)
				judge_json(all + start, (size_t)(i - start));
			start = i + 1;
		}
	}
	free(all);
}

static void run(const struct sink_ops *ops, struct input in)
{
	struct record r;
	struct port_result ports[2];
	struct host_result h = {.ports = ports, .port_count = 2};
	struct scan_info info = {.version = "0", .verbose = 1, .show_reason = true, .all_states = true};
	struct scan_summary sum;
	struct err_text e;
	struct sink *s;
	uint8_t bits;

	int fd = memfd_create("fuzz", 0);
	if (fd < 0)
		abort();
	int keep = dup(fd);
	take(&in, &bits, 1);
	info.list_only = bits & 1;
	info.open_only = bits & 2;
	h.timed_out = bits & 4;
	h.incomplete = bits & 8;
	h.mac_known = bits & 16;
	info.command_line = take_text(&in, 0);
	struct sink_config cfg = {.info = &info, .fd = fd, .path = "memory", .service = service};
	cfg.service_ctx = in.text[1];
	take_text(&in, 1);
	h.asked = take_text(&in, 2);
	h.ptr_name = take_text(&in, 3);
	take(&in, &h.addr, sizeof(h.addr));
	h.addr.scope = 0;
	take(&in, &h.state, 1);
	take(&in, &h.reason, 1);
	take(&in, &h.srtt_us, 4);
	take(&in, ports, sizeof(ports));
	for (int i = 0; i < 2; i++) // numbers are the aggregator's: those it gave
		ports[i].from %= 2;
	h.speakers = &h.addr;
	h.speaker_count = 1;
	h.count_count = bits >> 5;
	take(&in, h.counts, h.count_count * sizeof(h.counts[0]));
	take(&in, &h.start_wall_ns, 8);
	memset(&r, 0, sizeof(r));
	take(&in, &r.addr, 16);
	take(&in, &r.wall_ns, 8);
	take(&in, &r.rtt_us, 4);
	take(&in, &r.port, 2);
	take(&in, &r.proto, 1);
	take(&in, &r.state, 1);
	take(&in, &r.reason, 1);
	take(&in, &r.options_len, 1);
	take(&in, r.options, sizeof(r.options));
	memset(&sum, 0, sizeof(sum));
	take(&in, &sum.c.hosts_up, 8);
	take(&in, &sum.loss, 8);
	take(&in, &sum.end_wall_ns, 8);
	sum.error = in.text[2];
	if (ops->open(&s, &cfg, &e) != 0 || (ops->record && ops->record(s, &r) != 0) ||
	    ops->host(s, &h) != 0 || ops->flush(s) != 0 || ops->close(s, &sum) != 0)
		abort();
	judge(keep, ops == &sink_jsonl);
	close(keep);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {.data = data, .left = size};

	run(&sink_jsonl, in);
	run(&sink_normal, in);
	run(&sink_grepable, in);
	return 0;
}
