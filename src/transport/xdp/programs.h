// The programs, as bpftool wrote them into headers at build time.
#pragma once

#include "transport/xdp/shared.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Woverlength-strings"
#include "transport/xdp/emitter.skel.h"
#include "transport/xdp/receiver.skel.h"
#pragma GCC diagnostic pop
