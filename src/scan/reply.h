// From a classified packet to what the sweep takes.
#pragma once

#include "probe/probe.h"
#include "scan/sweep.h"

// The TCP options stay where the answer has them: inside the packet.
void sweep_reply_from(struct sweep_reply *out, const struct probe_answer *a);
