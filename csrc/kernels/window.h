/* Max-pooling as the tail of a convolution: windows of p x p that do not overlap, on one image that
   still stands in the cache. The winner of a window is a byte, its place in reading order. */
#ifndef MD_WINDOW_H
#define MD_WINDOW_H

#include "../vec.h"
#include "places.h"

/* Both directions are written for any p, and compiled for 2 apart. */

/* y, where (rows, cols, c) from z, an image of z_cols pixels across. where may be NULL. */
INLINE void max_of(real *y, uint8_t *where, const real *z, ptrdiff_t rows, ptrdiff_t cols,
                   ptrdiff_t c, ptrdiff_t z_cols, const ptrdiff_t p)
{
    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t x = 0; x < cols; x++) {
            const ptrdiff_t i = (r * cols + x) * c;
            const real *window = z + (r * p * z_cols + x * p) * c;
            FOR_FEW_VECTORS(j, m, c) {
                vf best = load_some(window + j, m), place = zero();
                for (ptrdiff_t qy = 0; qy < p; qy++)
                    for (ptrdiff_t qx = qy == 0; qx < p; qx++) {
                        const vf v = load_some(window + (qy * z_cols + qx) * c + j, m);
                        take_window(&best, &place, v, qy * p + qx);
                    }
                store_some(y + i + j, best, m);
                if (where) store_places(where, i + j, as_int(place), m, 0);
            }
        }
}

static void window_max(real *y, uint8_t *where, const real *z, ptrdiff_t rows, ptrdiff_t cols,
                       ptrdiff_t c, ptrdiff_t z_cols, ptrdiff_t p)
{
    if (p == 2) max_of(y, where, z, rows, cols, c, z_cols, 2);
    else max_of(y, where, z, rows, cols, c, z_cols, p);
}

/* dz (z_rows, z_cols, c): dy scale at the winner of its window, zero elsewhere; with y given, only
   where y is positive (the gradient of a relu before the pooling). */
INLINE void scatter_of(real *dz, const real *dy, real scale, const real *y, const uint8_t *where,
                       ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t c, ptrdiff_t z_rows,
                       ptrdiff_t z_cols, const ptrdiff_t p)
{
    for (ptrdiff_t r = 0; r < rows; r++) {
        for (ptrdiff_t x = 0; x < cols; x++) {
            const ptrdiff_t i = (r * cols + x) * c;
            real *window = dz + (r * p * z_cols + x * p) * c;
            FOR_FEW_VECTORS(j, m, c) {
                const vi place = load_places(where, i + j, m, 0);
                vf d = load_some(dy + i + j, m) * set1(scale);
                if (y) d = keep(lt(zero(), load_some(y + i + j, m)), d);
                for (ptrdiff_t qy = 0; qy < p; qy++)
                    for (ptrdiff_t qx = 0; qx < p; qx++)
                        store_some(window + (qy * z_cols + qx) * c + j,
                                   keep(same(place, set1_int(qy * p + qx)), d), m);
            }
        }
        for (ptrdiff_t y0 = r * p; y0 < (r + 1) * p; y0++)   /* pixels right of the last window */
            memset(dz + (y0 * z_cols + cols * p) * c, 0,
                   (size_t)((z_cols - cols * p) * c) * sizeof(real));
    }
    memset(dz + rows * p * z_cols * c, 0,
           (size_t)((z_rows - rows * p) * z_cols * c) * sizeof(real));
}

static void window_scatter(real *dz, const real *dy, real scale, const real *y,
                           const uint8_t *where, ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t c,
                           ptrdiff_t z_rows, ptrdiff_t z_cols, ptrdiff_t p)
{
    if (p == 2) scatter_of(dz, dy, scale, y, where, rows, cols, c, z_rows, z_cols, 2);
    else scatter_of(dz, dy, scale, y, where, rows, cols, c, z_rows, z_cols, p);
}

#endif
