/* Copies that put an operand where the micro-kernel reads it without cache conflicts. */
#ifndef MD_PACK_H
#define MD_PACK_H

#include "tiling.h"
#include "transpose.h"

INLINE void copy_row(real *to, const real *from, ptrdiff_t n)
{
    ptrdiff_t i = 0;
    for (; i + W <= n; i += W) store(to + i, load(from + i));
    if (i < n) store_part(to + i, load_part(from + i, n - i), n - i);
}

/* to[c][r] = from[r][c], in blocks of W x W. goes_on: the rows, W at most, are part of more that
   are copied one part behind the other. So the next are asked for, and whole vectors stored: the
   lanes that are too many fall where the next column is written, or on room to spare.

   Where all rows begin at the same place of a vector's piece of memory, pieces are read as they
   lie: across two of them, far rows, which fall on few sets of L1, would be fetched twice. */
INLINE void transpose_blocks(real *to, ptrdiff_t to_row, const real *from, ptrdiff_t from_row,
                             ptrdiff_t rows, ptrdiff_t cols, const int goes_on)
{
    const ptrdiff_t within = from_row % W ? 0 : (uintptr_t)from / sizeof(real) % W;
    for (ptrdiff_t r = 0; r < rows; r += W) {
        const ptrdiff_t height = smaller(rows - r, W);
        for (ptrdiff_t c = 0, m; c < cols; c += m) {
            vf block[W];
            m = smaller(cols - c, c ? W : W - within);
            for (int i = 0; i < W; i++) {
                const real *p = from + (r + i) * from_row + c;
                if (goes_on) ask_line(p + rows * from_row);
                block[i] = i >= height ? zero() : m == W ? load(p) : load_part(p, m);
            }
            transpose(block);
            for (int i = 0; i < m; i++)
                if (goes_on) store(to + (c + i) * to_row, block[i]);
                else store_part(to + (c + i) * to_row + r, block[i], height);
        }
    }
}

static void copy_transposed(real *to, ptrdiff_t to_row, const real *from, ptrdiff_t from_row,
                            ptrdiff_t rows, ptrdiff_t cols)
{
    transpose_blocks(to, to_row, from, from_row, rows, cols, 0);
}

/* ---- the operand whose rows are those of the tiles: to [tile][k][MR] ---- */

/* from (k, rows): each row is dealt out to the tiles. */
static void copy_columns(real *to, const real *from, ptrdiff_t from_row, ptrdiff_t k,
                         ptrdiff_t rows)
{
    const tiling cut = tiling_of(rows, MR);
    for (ptrdiff_t p0 = 0; p0 < k; p0 += WAYS) {
        /* what a whole vector reads and writes too far belongs to the next p, if there is one */
        const ptrdiff_t p1 = smaller(k, p0 + WAYS), whole = MR <= W ? smaller(p1, k - 1) : p0;
        const real *column = from + p0 * from_row;
        for (ptrdiff_t tile = 0; tile < cut.count; column += tile_height(&cut, tile++)) {
            const real *row = column;
            real *next = to + (tile * k + p0) * MR;
            ptrdiff_t p = p0;
            for (; p < whole; p++, row += from_row, next += MR) {
                ask_line(row + 4 * WAYS * from_row);             /* far apart: ask in time */
                store(next, load(row));
            }
            for (; p < p1; p++, row += from_row, next += MR)
                copy_row(next, row, tile_height(&cut, tile));
        }
    }
}

/* from (rows, k). */
static void copy_rows(real *to, const real *from, ptrdiff_t from_row, ptrdiff_t k, ptrdiff_t rows)
{
    const tiling cut = tiling_of(rows, MR);
    for (ptrdiff_t tile = 0; tile < cut.count; from += tile_height(&cut, tile++) * from_row)
        transpose_blocks(to + tile * k * MR, MR, from, from_row, tile_height(&cut, tile), k,
                         MR <= W);
}

/* ---- the operand whose columns are those of the tiles ---- */

/* A matrix of which a mask, DropConnect's, leaves data scale where it keeps and +0 elsewhere: what
   dropout would make of it. Element i has bit i; without a mask bits is NULL. It is masked on its
   way into one of the copies below, and stands nowhere else. */
typedef struct { const real *data; const uint32_t *bits; real scale; } masked;

INLINE vf load_masked(const masked *from, ptrdiff_t i, ptrdiff_t m)
{
    const vf v = load_some(from->data + i, m);
    if (!from->bits) return v;
    return keep(mask_from_bits(bits_at(from->bits, i, m)), v * set1(from->scale));
}

/* to[r][c] = element at + r from_row + c. */
static void copy_masked(real *to, ptrdiff_t to_row, const masked *from, ptrdiff_t at,
                        ptrdiff_t from_row, ptrdiff_t rows, ptrdiff_t cols)
{
    for (ptrdiff_t r = 0; r < rows; r++, to += to_row, at += from_row)
        FOR_FEW_VECTORS(c, m, cols) store_some(to + c, load_masked(from, at + c, m), m);
}

/* Rows of panels, to [panel][height][NR], of `cols` columns from element `at` on, row by row. */
static void copy_panels(real *to, ptrdiff_t height, const masked *from, ptrdiff_t at,
                        ptrdiff_t from_row, ptrdiff_t rows, ptrdiff_t cols)
{
    if (from->bits) {
        for (ptrdiff_t j = 0; j < cols; j += NR)
            copy_masked(to + j * height, NR, from, at + j, from_row, rows, smaller(NR, cols - j));
        return;
    }
    for (ptrdiff_t r = 0; r < rows; r += WAYS) {
        const ptrdiff_t few = smaller(rows - r, WAYS);
        for (ptrdiff_t j = 0; j < cols; j += NR) {
            const real *row = from->data + at + r * from_row + j;
            real *panel = to + r * NR + j * height;
            for (ptrdiff_t i = 0; i < few; i++, row += from_row, panel += NR)
                if (cols - j >= NR) {
                    ask_for_rows(row + WAYS * from_row, from_row, 1, NV);
                    EACH(v, NV) store(panel + v * W, load(row + v * W));
                } else copy_row(panel, row, cols - j);
        }
    }
}

/* to[c][r] = element at + r from_row + c. */
static void copy_turned(real *to, ptrdiff_t to_row, const masked *from, ptrdiff_t at,
                        ptrdiff_t from_row, ptrdiff_t rows, ptrdiff_t cols)
{
    if (!from->bits) {
        copy_transposed(to, to_row, from->data + at, from_row, rows, cols);
        return;
    }
    for (ptrdiff_t r = 0; r < rows; r += NR)                      /* masked first, then turned */
        for (ptrdiff_t c = 0; c < cols; c += 32) {
            real few[NR * 32];
            const ptrdiff_t high = smaller(NR, rows - r), wide = smaller(32, cols - c);
            copy_masked(few, 32, from, at + r * from_row + c, from_row, high, wide);
            copy_transposed(to + c * to_row + r, to_row, few, 32, high, wide);
        }
}

#endif
