// Text files that people name on the command line, read whole.
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

// Fills an initialised buffer, whose cap is the limit, from a file or, for "-", standard input. ERR_LIMIT
// above the cap, ERR_SYNTAX for a NUL byte, -errno from the system; always with a text that names the file.
int textfile_read(const char *path, struct buf *out, struct err_text *e) MUST_CHECK;
