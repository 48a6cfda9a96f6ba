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

/* What is summed: x, (x - mean)^2, or x (z - mean). */
enum { PLAIN, SQUARES, PRODUCTS };

INLINE vf column_term(const real *x, const real *z, vf mean, ptrdiff_t m, const int term)
{
    const vf v = load_some(x, m);
    if (term == PLAIN) return v;
    if (term == PRODUCTS) return v * (load_some(z, m) - mean);
    return (v - mean) * (v - mean);
}

/* Add `count` rows of `cols` reals, `row` apart, to total: eight rows by a tree, then singly. */
INLINE void add_rows(real *total, const real *x, const real *z, const real *mean, ptrdiff_t count,
                     ptrdiff_t cols, ptrdiff_t row, const int term)
{
    ptrdiff_t k = 0;
    for (; k + TREE <= count; k += TREE, x += TREE * row, z += TREE * row)
        FOR_VECTORS(j, m, cols) {
            const vf middle = term == PLAIN ? zero() : load_some(mean + j, m);
            vf v[TREE];
            for (int r = 0; r < TREE; r++)
                v[r] = column_term(x + r * row + j, z + r * row + j, middle, m, term);
            for (int half = TREE / 2; half; half /= 2)
                for (int r = 0; r < half; r++) v[r] += v[r + half];
            store_some(total + j, load_some(total + j, m) + v[0], m);
        }
    for (; k < count; k++, x += row, z += row)
        FOR_VECTORS(j, m, cols) {
            const vf middle = term == PLAIN ? zero() : load_some(mean + j, m);
            const vf v = column_term(x + j, z + j, middle, m, term);
            store_some(total + j, load_some(total + j, m) + v, m);
        }
}

/* total (wide), of which the first c stay = the sums over `rows` rows of x; mean: (wide). */
INLINE void sum_chunk(real *total, const real *x, const real *z, const real *mean, ptrdiff_t rows,
                      const columns *s, const int term)
{
    const ptrdiff_t count = rows / s->group, rest = rows % s->group * s->c;
    const ptrdiff_t done = count * s->wide;
    memset(total, 0, (size_t)s->wide * sizeof(real));
    add_rows(total, x, z, mean, count, s->wide, s->wide, term);
    if (rest) add_rows(total, x + done, z + done, mean, 1, rest, s->wide, term);
    for (ptrdiff_t half = s->group / 2; half; half /= 2)
        for (ptrdiff_t i = 0; i < half * s->c; i++) total[i] += total[i + half * s->c];
}

#endif
