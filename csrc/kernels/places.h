/* Where in its window a maximum stands: a byte, or 32 bits in windows of more than 256 pixels. */
#ifndef MD_PLACES_H
#define MD_PLACES_H

#include "../vec.h"

/* The pixel v at place q takes a window over from its best so far, if it is larger: the first of
   equal maxima wins, and NaN wins over numbers. */
INLINE void take_window(vf *best, vf *place, vf v, ptrdiff_t q)
{
    const vm wins = and_(not_(le(v, *best)), not_(is_nan(*best)));
    *best = blend(wins, v, *best);
    *place = blend(wins, as_real(set1_int(q)), *place);
}

/* m places of maxima from element i of arg on: bytes, or in wide windows words of 32 bits. */
INLINE void store_places(void *arg, ptrdiff_t i, vi place, ptrdiff_t m, int wide)
{
    if (wide)
        for (int l = 0; l < m; l++) ((uint32_t *)arg)[i + l] = (uint32_t)place[l];
    else if (m == W) store_bytes((uint8_t *)arg + i, place);
    else store_bytes_part((uint8_t *)arg + i, place, m);
}
INLINE vi load_places(const void *arg, ptrdiff_t i, ptrdiff_t m, int wide)
{
    vi place = {0};
    if (wide)
        for (int l = 0; l < m; l++) place[l] = (ireal)((const uint32_t *)arg)[i + l];
    else if (m == W) place = load_bytes((const uint8_t *)arg + i);
    else place = load_bytes_part((const uint8_t *)arg + i, m);
    return place;
}

#endif
