#pragma once

#include "fate.h"

// The command line's KEY=VALUE words for one direction.

// Sets what the word says in *params. Returns 0, or -EINVAL after saying on standard error what was expected.
int words_apply(struct fate_params *params, const char *word);
