/* Fibonacci hashing. Keys are mixed in one by one, since the low bits of a pointer are always zero. */
#ifndef THREAD_HASH_H
#define THREAD_HASH_H

#include "core.h"

#define GOLDEN_RATIO UINT64_C(0x9E3779B97F4A7C15)

/* The upper bits of the result are the good ones. */
static inline uint64_t
mix_hash(uint64_t hash, uint64_t key)
{
    return (hash ^ (hash >> 32) ^ key) * GOLDEN_RATIO;
}

static inline uint64_t
mix_pointer(uint64_t hash, const void *key)
{
    return mix_hash(hash, (uint64_t)(uintptr_t)key);
}

#endif
