// write(2) until all is out.
#pragma once

#include <stddef.h>

// Goes on after signals and short writes. Returns 0 or -errno. For descriptors that block.
int write_all(int fd, const void *data, size_t len);
