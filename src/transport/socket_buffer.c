#include "transport/socket_buffer.h"

#include <sys/socket.h>

void socket_buffer_grow(int fd)
{
	int bytes = SOCKET_BUFFER_BYTES;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)); // a wish, not a need
}
