// Network namespaces for tests: unnamed, gone with the processes that hold them. Addresses are those of
// 198.18.0.0/15 and 2001:db8::/32, with no route out.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

// Moves this process into a network namespace of its own with loopback up. False when not permitted: the
// test says that it skips.
bool netns_enter(void);

// Runs a shell command made from the format; true when it exits with 0. Its output is not shown.
bool netns_run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

// A second namespace joined to this one by a veth pair: here v0 with 198.18.0.1/16 and 2001:db8::1/64, there
// v1 with 198.18.0.2 and 2001:db8::2.
struct netns_peer {
	pid_t pid;
	int hold; // closing it ends the peer
};

// `serve` runs in the peer after the addresses are set and before this returns (to listen, to add rules);
// its descriptors stay open until the peer ends.
bool netns_peer_start(struct netns_peer *p, bool (*serve)(void));
void netns_peer_stop(struct netns_peer *p);

// A listening TCP socket on any address, both families; -1 when it fails.
int netns_listen(unsigned short port);
