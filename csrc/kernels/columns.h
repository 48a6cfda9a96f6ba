/* Sums down the columns of x (rows, c), one for each channel: what the norms are made of.

   The rows are cut into chunks of about 64 KB, a slot of partial sums each, and the slots are put
   together in order: the result depends on the shape alone. Fewer than 64 channels would leave
   lanes idle, so 16 rows then count as one wide row, whose 16 sums of each channel are folded:

       c = 3     a b c a b c a b c a b c ...    wide = 48 columns, whole vectors, no tails */
#ifndef MD_COLUMNS_H
#define MD_COLUMNS_H

#include "../minidrop.h"
#include "../vec.h"

enum { FEW_CHANNELS = 64, FOLDED_ROWS = 16, CHUNK_REALS = 16384, TREE = 8 };

typedef struct {
    ptrdiff_t rows, c;
    ptrdiff_t group, wide;          /* rows in a wide row, and reals in it */
    ptrdiff_t chunk_rows, chunks;
} columns;

static columns columns_of(ptrdiff_t rows, ptrdiff_t c)
{
    columns s = {.rows = rows, .c = c, .group = c < FEW_CHANNELS ? FOLDED_ROWS : 1};
    s.wide = c * s.group;
    s.chunk_rows = round_up(ceil_div(CHUNK_REALS, larger(c, 1)), FOLDED_ROWS);
    s.chunks = ceil_div(rows, s.chunk_rows);
    return s;
}

INLINE ptrdiff_t rows_of_chunk(const columns *s, ptrdiff_t chunk)
{
    return smaller(s->chunk_rows, s->rows - chunk * s->chunk_rows);
}

/* to (wide) = the c reals of `from` again and again; from may be the beginning of to. */
static void repeat(real *to, const real *from, const columns *s)
{
    for (ptrdiff_t g = 0; g < s->group; g++)
        memmove(to + g * s->c, from, (size_t)s->c * sizeof(real));
}

/* What is summed: x; (x - mean)^2; or x, and behind it x (z - mean), which is read along. */
enum { PLAIN, SQUARES, PRODUCTS };

/* The sum of v by halves; v is no more after it. */
INLINE vf tree_sum(vf *v, const int count)
{
#pragma GCC unroll 4
    for (int half = count / 2; half; half /= 2)
#pragma GCC unroll 4
        for (int r = 0; r < half; r++) v[r] += v[r + half];
    return v[0];
}

/* Add m columns of `count` rows, 1 or TREE, `row` apart, to total; products one row behind it. */
INLINE void add_columns(real *total, const real *x, const real *z, const real *mean,
                        const int count, ptrdiff_t m, ptrdiff_t row, const int term)
{
    const vf middle = term == PLAIN ? zero() : load_some(mean, m);
    vf v[TREE], products[TREE];
    for (int r = 0; r < count; r++) {
        v[r] = load_some(x + r * row, m);
        if (term == PRODUCTS) products[r] = v[r] * (load_some(z + r * row, m) - middle);
        if (term == SQUARES) v[r] = (v[r] - middle) * (v[r] - middle);
    }
    store_some(total, load_some(total, m) + tree_sum(v, count), m);
    if (term == PRODUCTS)
        store_some(total + row, load_some(total + row, m) + tree_sum(products, count), m);
}

/* n columns. */
INLINE void add_block(real *total, const real *x, const real *z, const real *mean,
                      const int count, ptrdiff_t n, ptrdiff_t row, const int term)
{
    FOR_VECTORS(j, m, n) add_columns(total + j, x + j, z + j, mean + j, count, m, row, term);
}

/* Add `count` rows of n reals, `row` apart: eight rows by a tree, then singly. */
INLINE void add_rows(real *total, const real *x, const real *z, const real *mean, ptrdiff_t count,
                     ptrdiff_t n, ptrdiff_t row, const int term)
{
    ptrdiff_t k = 0;
    for (; k + TREE <= count; k += TREE, x += TREE * row, z += TREE * row)
        add_block(total, x, z, mean, TREE, n, row, term);
    for (; k < count; k++, x += row, z += row) add_block(total, x, z, mean, 1, n, row, term);
}

/* total (wide), of which the first c stay = the sums over `rows` rows of x; mean: (wide).
   PRODUCTS: total (2, wide). */
INLINE void sum_chunk(real *total, const real *x, const real *z, const real *mean, ptrdiff_t rows,
                      const columns *s, const int term)
{
    const ptrdiff_t count = rows / s->group, rest = rows % s->group * s->c;
    const ptrdiff_t done = count * s->wide, sums = term == PRODUCTS ? 2 : 1;
    memset(total, 0, (size_t)(sums * s->wide) * sizeof(real));
    add_rows(total, x, z, mean, count, s->wide, s->wide, term);
    if (rest) add_rows(total, x + done, z + done, mean, 1, rest, s->wide, term);
    for (real *t = total; t < total + sums * s->wide; t += s->wide)
        for (ptrdiff_t half = s->group / 2; half; half /= 2)
            for (ptrdiff_t i = 0; i < half * s->c; i++) t[i] += t[i + half * s->c];
}

#endif
