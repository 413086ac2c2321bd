#include "target/textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

static int read_all(int fd, struct buf *out)
{
	char chunk[65536];

	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));
		if (n == 0)
			return 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (memchr(chunk, '\0', (size_t)n) != NULL)
			return ERR_SYNTAX;
		int r = buf_put(out, chunk, (size_t)n);
		if (r != 0)
			return r;
	}
}

int textfile_read(const char *path, struct buf *out, struct err_text *e)
{
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : read_all(fd, out);
	char shown[256];

	if (fd >= 0 && !is_stdin)
		close(fd);
	if (r == 0)
		return 0;
	text_escape(shown, sizeof(shown), path, strlen(path));
	if (r == ERR_SYNTAX)
		return err_set(e, r, "%s: a NUL byte, so this is no text file", shown);
	if (r == ERR_LIMIT)
		return err_set(e, r, "%s: longer than %zu bytes", shown, out->cap);
	return err_set(e, r, "%s: %s", shown, err_name(r));
}
