/* Non-temporal stores, for an output that no cache would keep.

   A plain store first reads the line that it writes, and pushes out of the cache what was of use:

       y = f(x)     plain: read x, read y, write y     non-temporal: read x, write y

   What is stored is the same. It pays where x and y together are more than the cache holds, so
   that y would not be found there either; with less, caches are faster, and most so for several
   cores. Where a machine has no such store, nothing goes past.
   parallel.c sees to it that all is there when a loop ends. */
#ifndef MD_NONTEMPORAL_H
#define MD_NONTEMPORAL_H

#include "../minidrop.h"
#include "../vec.h"

#if defined(MD_AVX512)
enum { NONTEMPORAL = 1 };
INLINE void store_nontemporal(real *p, vf v) { _mm512_stream_ps(p, (__m512)v); }
#elif defined(MD_AVX2)
enum { NONTEMPORAL = 1 };
INLINE void store_nontemporal(real *p, vf v) { _mm256_stream_ps(p, (__m256)v); }
#else
enum { NONTEMPORAL = 0 };
INLINE void store_nontemporal(real *p, vf v) { store(p, v); }
#endif

enum { LINE_BYTES = 64, LINE_REALS = LINE_BYTES / sizeof(real) }; /* of a line of the cache */

/* Such a store takes whole vectors, at addresses that are multiples of one. */
INLINE int at_vector(const real *p) { return (uintptr_t)p % VB == 0; }

/* Whether an array of n reals is so large that little of it is found in a cache. */
INLINE int is_far(ptrdiff_t n) { return (size_t)n * sizeof(real) >= md_cache_bytes(MD_L3) / 4; }

/* Whether an output of n reals from y on goes past the caches. */
INLINE int goes_past(const real *y, ptrdiff_t n)
{
    return NONTEMPORAL && at_vector(y) && (size_t)n * sizeof(real) >= md_cache_bytes(MD_L3) / 2;
}

/* The same for an output that is written in pieces, which should be whole lines of the cache: rows
   of `row` reals. */
INLINE int lines_go_past(const real *y, ptrdiff_t n, ptrdiff_t row)
{
    return (uintptr_t)y % (LINE_REALS * sizeof(real)) == 0 && row % LINE_REALS == 0 &&
           goes_past(y, n);
}

/* The first m lanes, past the caches or into them. */
INLINE void put(real *p, vf v, ptrdiff_t m, const int past)
{
    if (m < W) store_part(p, v, m);
    else if (past) store_nontemporal(p, v);
    else store(p, v);
}

#endif
