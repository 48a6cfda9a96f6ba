/* Where in its window a maximum stands: a byte, or 32 bits in windows of more than 256 pixels. */
#ifndef MD_PLACES_H
#define MD_PLACES_H

#include "../vec.h"

/* m places of maxima from element i of arg on: bytes, or in wide windows words of 32 bits. */
INLINE void store_places(void *arg, ptrdiff_t i, vi place, ptrdiff_t m, int wide)
{
    uint8_t bytes[W];
    if (wide)
        for (int l = 0; l < m; l++) ((uint32_t *)arg)[i + l] = (uint32_t)place[l];
    else if (m == W) store_bytes((uint8_t *)arg + i, place);
    else {
        store_bytes(bytes, place);
        memcpy((uint8_t *)arg + i, bytes, (size_t)m);
    }
}
INLINE vi load_places(const void *arg, ptrdiff_t i, ptrdiff_t m, int wide)
{
    uint8_t bytes[W] = {0};
    vi place = {0};
    if (wide)
        for (int l = 0; l < m; l++) place[l] = (ireal)((const uint32_t *)arg)[i + l];
    else if (m == W) place = load_bytes((const uint8_t *)arg + i);
    else {
        memcpy(bytes, (const uint8_t *)arg + i, (size_t)m);
        place = load_bytes(bytes);
    }
    return place;
}

#endif
