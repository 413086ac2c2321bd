#include <string.h>

#include "transport/streams.h"

const struct streams_ops *streams_find(const char *name)
{
	static const struct streams_ops *const all[] = {&streams_epoll, &streams_uring};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(all[i]->name, name) == 0)
			return all[i];
	return NULL;
}
