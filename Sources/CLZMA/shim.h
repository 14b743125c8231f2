#ifndef CLZMA_SHIM_H
#define CLZMA_SHIM_H

#include <lzma.h>

// Macros that cast, which Swift cannot see.
static const uint32_t clzma_concatenated = LZMA_CONCATENATED;
static const uint32_t clzma_tell_unsupported_check = LZMA_TELL_UNSUPPORTED_CHECK;

#endif
