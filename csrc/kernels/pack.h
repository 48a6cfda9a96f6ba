/* Copies that put an operand where the micro-kernel reads it without cache conflicts. */
#ifndef MD_PACK_H
#define MD_PACK_H

#include "micro.h"

INLINE void copy_row(real *to, const real *from, ptrdiff_t n)
{
    ptrdiff_t i = 0;
    for (; i + W <= n; i += W) store(to + i, load(from + i));
    if (i < n) store_part(to + i, load_part(from + i, n - i), n - i);
}

/* Panels, to [panel][rows][NR], of the first `cols` columns of from; read row by row. */
static void copy_panels(real *to, const real *from, ptrdiff_t from_row, ptrdiff_t rows,
                        ptrdiff_t cols)
{
    for (ptrdiff_t r = 0; r < rows; r++, from += from_row) {
        real *panel = to + r * NR;
        ptrdiff_t j = 0;
        for (; j + NR <= cols; j += NR, panel += rows * NR)
            for (int v = 0; v < NV; v++) store(panel + v * W, load(from + j + v * W));
        if (j < cols) copy_row(panel, from + j, cols - j);
    }
}

/* to[c][r] = from[r][c], in blocks of W x W. */
static void copy_transposed(real *to, ptrdiff_t to_row, const real *from, ptrdiff_t from_row,
                            ptrdiff_t rows, ptrdiff_t cols)
{
    for (ptrdiff_t r = 0; r < rows; r += W) {
        const ptrdiff_t height = smaller(rows - r, W);
        FOR_VECTORS(c, m, cols) {
            vf block[W];
            for (int i = 0; i < W; i++) {
                const real *p = from + (r + i) * from_row + c;
                block[i] = i >= height ? zero() : m == W ? load(p) : load_part(p, m);
            }
            transpose(block);
            for (int i = 0; i < m; i++) store_part(to + (c + i) * to_row + r, block[i], height);
        }
    }
}

/* to[r][c] = from[r][c] scale where the mask keeps it, else +0: what dropout would make of it.
   `bits` are those of a matrix with rows of from_row reals; from[0][0] is its element `first`. */
static void copy_masked(real *to, ptrdiff_t to_row, const real *from, ptrdiff_t from_row,
                        const uint32_t *bits, ptrdiff_t first, real scale, ptrdiff_t rows,
                        ptrdiff_t cols)
{
    const vf s = set1(scale);
    for (ptrdiff_t r = 0; r < rows; r++, to += to_row, from += from_row, first += from_row)
        FOR_VECTORS(c, m, cols) {
            const vm kept = mask_from_bits(bits_at(bits, first + c, m));
            store_some(to + c, keep(kept, load_some(from + c, m) * s), m);
        }
}

#endif
