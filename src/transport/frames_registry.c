#include <stddef.h>
#include <string.h>

#include "transport/frames.h"

static const struct frames_ops *const transports[] = {&frames_afpacket, &frames_rawip, &frames_memory};

const struct frames_ops *frames_find(const char *name)
{
	for (size_t i = 0; i < sizeof(transports) / sizeof(transports[0]); i++)
		if (!strcmp(transports[i]->name, name))
			return transports[i];
	return NULL;
}
