#include "result/fanout.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ring.h"

#define QUEUE_SLOTS_DEFAULT 16384
#define BATCH               64
#define FLUSH_NS            (100 * NS_PER_MS)
#define FLUSH_MS            100

enum item_kind { ITEM_RECORD, ITEM_HOST, ITEM_FLUSH };

struct item {
	enum item_kind kind;
	union {
		struct record record;
		struct host_result *host; // one block with everything it points to; the reader frees it
	};
};

struct fanout {
	struct fanout_target targets[FANOUT_TARGETS_MAX];
	int errors[FANOUT_TARGETS_MAX]; // first of each; owned by whoever writes
	size_t count;
	bool dirty;              // something was written since the last flush
	_Atomic int first_error; // of any target
	// The queue; `ring` is NULL without one.
	struct ring *ring;
	pthread_t thread;
	int more_fd, room_fd;     // eventfds: items came; slots came free
	atomic_bool reader_waits; // set before the reader sleeps on more_fd
	atomic_bool writer_waits;
	atomic_bool stop;
};

static void note_error(struct fanout *f, size_t i, int rc)
{
	int none = 0;

	if (rc == 0)
		return;
	if (f->errors[i] == 0)
		f->errors[i] = rc;
	atomic_compare_exchange_strong(&f->first_error, &none, rc);
}

static int first_error(struct fanout *f)
{
	return atomic_load_explicit(&f->first_error, memory_order_relaxed);
}

static void write_record(struct fanout *f, const struct record *r)
{
	for (size_t i = 0; i < f->count; i++) {
		if (f->targets[i].record && f->errors[i] == 0)
			note_error(f, i, f->targets[i].record(f->targets[i].ctx, r));
	}
	f->dirty = true;
}

static void write_host(struct fanout *f, const struct host_result *h)
{
	for (size_t i = 0; i < f->count; i++) {
		if (f->targets[i].host && f->errors[i] == 0)
			note_error(f, i, f->targets[i].host(f->targets[i].ctx, h));
	}
	f->dirty = true;
}

static void write_flush(struct fanout *f)
{
	for (size_t i = 0; f->dirty && i < f->count; i++) {
		if (f->targets[i].flush && f->errors[i] == 0)
			note_error(f, i, f->targets[i].flush(f->targets[i].ctx));
	}
	f->dirty = false;
}

static void signal_fd(int fd)
{
	uint64_t one = 1;

	while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void wait_fd(int fd, int timeout_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t n;

	if (poll(&p, 1, timeout_ms) > 0 && read(fd, &n, sizeof(n)) < 0)
		return; // another wake-up took it
}

static void wake_if(atomic_bool *waits, int fd)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(waits, memory_order_relaxed) && atomic_exchange(waits, false))
		signal_fd(fd);
}

static void handle(struct fanout *f, struct item *items, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		switch (items[i].kind) {
		case ITEM_RECORD:
			write_record(f, &items[i].record);
			break;
		case ITEM_HOST:
			write_host(f, items[i].host);
			free(items[i].host);
			break;
		case ITEM_FLUSH:
			write_flush(f);
			break;
		}
	}
}

static void *reader_main(void *arg)
{
	struct fanout *f = arg;
	struct item items[BATCH];
	int64_t flushed = clock_mono_ns();

	for (;;) {
		bool stop = atomic_load(&f->stop); // before the ring: what was pushed earlier is seen
		size_t n = ring_pop(f->ring, items, BATCH);
		if (n > 0)
			wake_if(&f->writer_waits, f->room_fd);
		handle(f, items, n);
		int64_t now = clock_mono_ns();
		if (now - flushed >= FLUSH_NS) {
			write_flush(f);
			flushed = now;
		}
		if (n > 0)
			continue;
		if (stop)
			break;
		atomic_store(&f->reader_waits, true);
		atomic_thread_fence(memory_order_seq_cst);
		if (ring_count(f->ring) == 0 && !atomic_load(&f->stop))
			wait_fd(f->more_fd,
				f->dirty ? (int)((FLUSH_NS - (now - flushed)) / NS_PER_MS) + 1 : -1);
		atomic_store(&f->reader_waits, false);
	}
	write_flush(f);
	return NULL;
}

static void push(struct fanout *f, const struct item *item)
{
	while (ring_push(f->ring, item, 1) == 0) {
		atomic_store(&f->writer_waits, true);
		wake_if(&f->reader_waits, f->more_fd);
		if (ring_push(f->ring, item, 1) == 1) {
			atomic_store(&f->writer_waits, false);
			break;
		}
		wait_fd(f->room_fd, FLUSH_MS);
	}
	wake_if(&f->reader_waits, f->more_fd);
}

static int start_thread(struct fanout *f, size_t slots, struct err_text *e)
{
	f->ring = ring_new(slots ? slots : QUEUE_SLOTS_DEFAULT, sizeof(struct item));
	if (!f->ring)
		return err_set(e, -ENOMEM, "no memory for the output queue");
	f->more_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	f->room_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (f->more_fd < 0 || f->room_fd < 0)
		return err_set(e, -errno, "eventfd: %s", strerror(errno));
	int rc = pthread_create(&f->thread, NULL, reader_main, f);
	return rc ? err_set(e, -rc, "the output thread: %s", strerror(rc)) : 0;
}

static void queue_free(struct fanout *f)
{
	ring_free(f->ring);
	if (f->more_fd >= 0)
		close(f->more_fd);
	if (f->room_fd >= 0)
		close(f->room_fd);
}

int fanout_new(struct fanout **out, const struct fanout_config *cfg, struct err_text *e)
{
	if (cfg->count > FANOUT_TARGETS_MAX)
		return err_set(e, ERR_LIMIT, "more than %d outputs", FANOUT_TARGETS_MAX);
	struct fanout *f = calloc(1, sizeof(*f));
	if (!f)
		return err_set(e, -ENOMEM, "no memory for the outputs");
	f->count = cfg->count;
	if (cfg->count > 0)
		memcpy(f->targets, cfg->targets, cfg->count * sizeof(cfg->targets[0]));
	f->more_fd = f->room_fd = -1;
	if (cfg->threaded) {
		int rc = start_thread(f, cfg->queue_slots, e);
		if (rc) {
			queue_free(f);
			free(f);
			return rc;
		}
	}
	*out = f;
	return 0;
}

int fanout_record(struct fanout *f, const struct record *r)
{
	if (f->ring)
		push(f, &(struct item){.kind = ITEM_RECORD, .record = *r});
	else
		write_record(f, r);
	return first_error(f);
}

static char *copy_text(char *to, const char *from, const char **field)
{
	if (!from)
		return to;
	size_t n = strlen(from) + 1;
	memcpy(to, from, n);
	*field = to;
	return to + n;
}

static struct host_result *host_copy(const struct host_result *h)
{
	size_t ports = h->port_count * sizeof(h->ports[0]);
	size_t speakers = h->speaker_count * sizeof(h->speakers[0]);
	size_t asked = h->asked ? strlen(h->asked) + 1 : 0;
	size_t ptr = h->ptr_name ? strlen(h->ptr_name) + 1 : 0;
	struct host_result *c = malloc(sizeof(*c) + speakers + ports + asked + ptr);

	if (!c)
		return NULL;
	*c = *h;
	char *at = (char *)(c + 1);
	if (speakers > 0)
		memcpy(at, h->speakers, speakers);
	c->speakers = (const struct addr *)(void *)at;
	at += speakers;
	if (ports > 0)
		memcpy(at, h->ports, ports);
	c->ports = (const struct port_result *)(void *)at;
	at = copy_text(at + ports, h->asked, &c->asked);
	copy_text(at, h->ptr_name, &c->ptr_name);
	return c;
}

int fanout_host(struct fanout *f, const struct host_result *h)
{
	if (!f->ring) {
		write_host(f, h);
		return first_error(f);
	}
	struct host_result *copy = host_copy(h);
	if (!copy)
		return -ENOMEM;
	push(f, &(struct item){.kind = ITEM_HOST, .host = copy});
	return first_error(f);
}

int fanout_flush(struct fanout *f)
{
	if (f->ring)
		push(f, &(struct item){.kind = ITEM_FLUSH});
	else
		write_flush(f);
	return first_error(f);
}

bool fanout_pending(const struct fanout *f)
{
	return !f->ring && f->dirty;
}

int fanout_close(struct fanout *f, const struct scan_summary *sum, size_t *failed)
{
	int rc = 0;

	if (f->ring) {
		atomic_store(&f->stop, true);
		signal_fd(f->more_fd);
		pthread_join(f->thread, NULL);
		queue_free(f);
	}
	for (size_t i = 0; i < f->count; i++)
		note_error(f, i, f->targets[i].close(f->targets[i].ctx, sum));
	for (size_t i = 0; i < f->count && rc == 0; i++) {
		rc = f->errors[i];
		if (rc && failed)
			*failed = i;
	}
	free(f);
	return rc;
}
