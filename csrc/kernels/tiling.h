/* How the micro-kernel's tiles cover a block of C, and what that takes.

      tile_column              tile_across: rows of tiles, for a short k
      +------+                 +------+------+------+
      |  |   |  MR rows        |  ------------->    |
      +--|---+  at most,       +------+------+------+
      |  v   |  as equal       |  ------------->    |
      +------+  as can be      +------+------+------+  */
#ifndef MD_TILING_H
#define MD_TILING_H

#include "micro.h"

enum { STEPS_IN_NS = 50 }; /* of k, for one element of C: roughly */
enum { C_STEPS = 4 };      /* take as long as an element of C takes to begin and to store */

/* What so many elements of C, each a chain of so many steps, take on one core, in nanoseconds. */
INLINE double chains_cost(double elements, ptrdiff_t steps)
{
    return elements * (double)(steps + C_STEPS) / STEPS_IN_NS;
}

/* Vectors across the tiles for `rows` rows of C. */
INLINE int tile_vectors(ptrdiff_t rows) { return rows == 1 ? 8 : rows <= 3 ? 4 : NV; }

/* t->count rows of tiles, each of `rows` (at most MR) rows of C, and all of t->cols columns. t is
   put back. */
static void tile_rows(md_tile *t, ptrdiff_t rows)
{
    const ptrdiff_t cols = t->cols;
    const int packed = t->a_row == 1;
    if (cols == NR) { /* by far the most common */
        tiles[rows][NV][packed][0](t);
        return;
    }
    const md_tile whole = *t;
    for (ptrdiff_t j = 0; j < cols; j += t->cols) {
        const ptrdiff_t left = ceil_div(cols - j, W);
        ptrdiff_t nv = smaller(left, tile_vectors(rows));
        while (!tiles[rows][nv][0][0]) nv--;
        t->b = whole.b + j;
        t->c = whole.c + j;
        t->from = whole.from ? whole.from + j : NULL;
        t->bias = whole.bias ? whole.bias + j : NULL;
        t->cols = smaller(cols - j, nv * W);
        tiles[rows][nv][packed][t->cols < nv * W](t);
    }
    *t = whole;
}

/* n rows in the fewest tiles of at most `most` rows, as equal as can be (26 into 13 + 13). */
typedef struct { ptrdiff_t count, least, taller; } tiling;

INLINE tiling tiling_of(ptrdiff_t n, ptrdiff_t most)
{
    const ptrdiff_t count = ceil_div(n, most), least = count ? n / count : 0;
    return (tiling){count, least, n - count * least};
}
INLINE ptrdiff_t tile_height(const tiling *cut, ptrdiff_t tile)
{
    return cut->least + (tile < cut->taller);
}

/* Rows so far apart fall on one set of L1. */
INLINE int rows_collide(ptrdiff_t reals)
{
    return reals * (ptrdiff_t)sizeof(real) % SET_BYTES == 0;
}

/* The tiles that make n rows of C. Rows of a that collide are taken as many at a time as a set of
   L1 holds. */
INLINE tiling column_tiling(const md_tile *t, ptrdiff_t n)
{
    return tiling_of(n, rows_collide(t->a_row) ? smaller(WAYS, MR) : MR);
}

/* `bytes` that will be wanted are asked for in so many steps of k. */
INLINE void ask_in_steps(md_tile *t, const void *bytes_at, ptrdiff_t bytes, ptrdiff_t steps)
{
    t->ask = bytes_at;
    t->ask_step = smaller(ASK_LINES * LINE_BYTES, ceil_div(bytes, larger(1, steps)));
    t->ask_tile = 0;
}

/* Rows `pitch` bytes apart: a step of k asks for some of a row, and a tile for what is to the right
   of that which the tile before asked for. */
INLINE void ask_in_tiles(md_tile *t, const void *rows_at, ptrdiff_t pitch)
{
    t->ask = rows_at;
    t->ask_step = pitch;
    t->ask_tile = ASK_LINES * LINE_BYTES;
}

/* All n rows of C below t, and t->cols columns. t is put back, but for what has been asked for:
   field by field, as a copy of all of it would wait for what has just been written to it. */
static void tile_column(md_tile *t, ptrdiff_t n)
{
    const tiling cut = column_tiling(t, n);
    const ptrdiff_t above = cut.taller * (cut.least + 1);
    const ptrdiff_t asked = t->ask_tile ? t->ask_tile : t->nruns * t->k * t->ask_step;
    const real *const a = t->a, *const from = t->from, *const after = t->after;
    real *const c = t->c;
    if (cut.taller) {
        t->count = cut.taller;
        t->after = NULL;
        tile_rows(t, cut.least + 1);
        if (t->ask) t->ask += t->count * asked;
        t->a += t->a_tile ? t->count * t->a_tile : above * t->a_row;
        t->c += above * t->c_row;
        if (from) t->from += above * t->from_row;
        t->after = after;
    }
    t->count = cut.count - cut.taller;
    if (t->count) tile_rows(t, cut.least);
    if (t->ask) t->ask += t->count * asked;
    t->a = a, t->c = c, t->from = from;
}

/* n rows of C and t->count whole tiles across, row of tiles by row of tiles. */
static void tile_across(const md_tile *t, ptrdiff_t n)
{
    const tiling cut = column_tiling(t, n);
    md_tile row = *t;
    row.cols = NR, row.across = 1;
    for (ptrdiff_t tile = 0; tile < cut.count; tile++) {
        const ptrdiff_t height = tile_height(&cut, tile);
        tile_rows(&row, height);
        row.a += t->a_tile ? t->a_tile : height * t->a_row;
        row.c += height * t->c_row;
    }
}

#endif
