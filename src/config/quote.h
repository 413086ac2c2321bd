// A command line as text that a shell reads back to the same words.
#pragma once

#include "base/buf.h"

// Words joined by spaces; plain ones as they are, others in single quotes, those with control bytes or broken
// UTF-8 as $'...'. The text is safe for terminals and reports. Check `failed` of the buffer.
void config_quote(struct buf *b, int argc, char *const argv[]);
