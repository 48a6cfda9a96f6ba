/* Windows of pixels along one axis: which pixels a window has, and which windows have a pixel.

     pixels     0  1  2  3  4  5  6       kernel 3, stride 2: pixel 2 is covered by
     window 0   x  x  x                   windows 0 and 1, pixel 3 by window 1 alone
     window 1         x  x  x
     window 2               x  x  x */
#ifndef MD_POOL_AXIS_H
#define MD_POOL_AXIS_H

#include "../vec.h"

/* k = 0: adaptive, `outputs` windows of nearly equal size. */
typedef struct { ptrdiff_t size, outputs, k, stride, pad; } pool_axis;

/* Window o has pixels window_start .. window_end - 1; padding is cut off. */
INLINE ptrdiff_t window_start(const pool_axis *a, ptrdiff_t o)
{
    return a->k ? larger(0, o * a->stride - a->pad) : o * a->size / a->outputs;
}
INLINE ptrdiff_t window_end(const pool_axis *a, ptrdiff_t o)
{
    return a->k ? smaller(a->size, o * a->stride - a->pad + a->k)
                : ceil_div((o + 1) * a->size, a->outputs);
}
INLINE ptrdiff_t window_size(const pool_axis *a, ptrdiff_t o)
{
    return window_end(a, o) - window_start(a, o);
}

INLINE int windows_overlap(const pool_axis *a)
{
    return a->k ? a->stride < a->k : a->size % a->outputs != 0;
}

/* The windows first .. last that cover a pixel, none where first > last; pixels come in order. */
typedef struct { ptrdiff_t first, last, first_end, next_start; } pool_cover;

INLINE pool_cover cover_none(const pool_axis *a)
{
    return (pool_cover){0, -1, window_end(a, 0), window_start(a, 0)};
}
INLINE void cover_pixel(pool_cover *c, const pool_axis *a, ptrdiff_t pixel)
{
    while (c->first < a->outputs && c->first_end <= pixel)
        c->first_end = window_end(a, ++c->first);
    while (c->last + 1 < a->outputs && c->next_start <= pixel)
        c->next_start = window_start(a, ++c->last + 1);
}

#endif
