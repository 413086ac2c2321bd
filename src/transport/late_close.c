#include "transport/late_close.h"

#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <unistd.h>

int late_close_hold(int fd)
{
	struct io_uring_params params = {0};
	long ring = syscall(SYS_io_uring_setup, 1, &params);
	if (ring < 0)
		return -1;
	if (syscall(SYS_io_uring_register, (int)ring, IORING_REGISTER_FILES, &fd, 1) == 0)
		return (int)ring;
	close((int)ring);
	return -1;
}
