// Which transport a person forces with --engine.
#pragma once

enum scan_engine { ENGINE_AUTO, ENGINE_AFPACKET, ENGINE_RAWIP, ENGINE_URING, ENGINE_EPOLL, ENGINE_XDP };
