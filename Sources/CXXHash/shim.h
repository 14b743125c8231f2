#ifndef CXXHASH_SHIM_H
#define CXXHASH_SHIM_H

#include <xxhash.h>

#if defined(__x86_64__)
// Only a library that was built for several processors has it, and its header would take it for granted.
XXH64_hash_t XXH3_64bits_dispatch(const void *bytes, size_t count) __attribute__((weak));
#endif

// XXH3-64, seed 0, with the widest vectors of this processor where the library offers that.
static inline XXH64_hash_t cxxhash_xxh3_64(const void *bytes, size_t count) {
#if defined(__x86_64__)
  if (XXH3_64bits_dispatch) return XXH3_64bits_dispatch(bytes, count);
#endif
  return XXH3_64bits(bytes, count);
}

#endif
