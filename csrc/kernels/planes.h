/* An image in planes of W channels: [c / W][y][x][W], in its frame. All that a vector of channels
   has is close together, in any set of L1, where pixels of many channels collide. */
#ifndef MD_PLANES_H
#define MD_PLANES_H

#include "frame.h"

INLINE ptrdiff_t plane_row(const frame *f) { return f->row / f->c * W; }
INLINE ptrdiff_t plane_reals(const frame *f) { return f->rows * plane_row(f); }
INLINE ptrdiff_t planes_reals(const frame *f) { return ceil_div(f->c, W) * plane_reals(f); }

static void to_planes(real *planes, const real *x, const frame *f)
{
    const ptrdiff_t plane = plane_reals(f);
    if (is_framed(f)) memset(planes, 0, (size_t)planes_reals(f) * sizeof(real));
    for (ptrdiff_t y = 0; y < f->h; y++)
        for (ptrdiff_t i = 0; i < f->w; i++, x += f->c) {
            real *to = planes + (y + f->top) * plane_row(f) + (i + f->left) * W;
            FOR_VECTORS(ci, m, f->c) store(to + ci / W * plane, load_some(x + ci, m));
        }
}

static void from_planes(real *dx, const real *planes, const frame *f)
{
    const ptrdiff_t plane = plane_reals(f);
    for (ptrdiff_t y = 0; y < f->h; y++)
        for (ptrdiff_t i = 0; i < f->w; i++, dx += f->c) {
            const real *from = planes + (y + f->top) * plane_row(f) + (i + f->left) * W;
            FOR_VECTORS(ci, m, f->c) store_some(dx + ci, load(from + ci / W * plane), m);
        }
}

#endif
