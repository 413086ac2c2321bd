// Looks a driver and this kernel up in the table of known faults.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"

#define FAULTS_DRIVER 32

// The driver of an interface of this network namespace, safe to print; "?" when the kernel does not say.
void faults_driver(const char *interface, char out[FAULTS_DRIVER]);

// ERR_UNSUPPORTED with the reason if frames from XDP are known to corrupt memory or to reset the device
// there. Lesser faults are logged: a warning where frames get lost, notes at debug level, and there too that
// a kernel's release is not known. No log: they are not told.
int faults_check(const char *interface, const struct log *log, struct err_text *e) MUST_CHECK;
