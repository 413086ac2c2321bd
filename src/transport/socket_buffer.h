// Receive buffers that hold the answers of a burst. A limit, not an allocation.
#pragma once

#define SOCKET_BUFFER_BYTES (32 << 20)

// As much as the kernel allows: past net.core.rmem_max with CAP_NET_ADMIN, else up to it.
void socket_buffer_grow(int fd);
