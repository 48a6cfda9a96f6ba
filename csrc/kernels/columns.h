/* Sums down the columns of x (rows, c), one for each channel: what the norms are made of, and
   reduce.h's sums.

   The rows are cut into chunks of about 64 KB, a slot of partial sums each, and the slots are put
   together in order: the result depends on the shape alone. Fewer than 64 channels would leave
   lanes idle, so 16 rows then count as one wide row, whose 16 sums of each channel are folded:

       c = 3     a b c a b c a b c a b c ...    wide = 48 columns, whole vectors, no tails

   Eight rows go by at once, vector by vector: no stream that a machine would see and read ahead.
   So what comes from memory is asked for, some KB before it is wanted. Of two arrays, where a line
   is several vectors, eight rows are touched instead, line by line: two streams, and then in L1. */
#ifndef MD_COLUMNS_H
#define MD_COLUMNS_H

#include "../minidrop.h"
#include "../vec.h"
#include "ahead.h"

enum { FEW_CHANNELS = 64, FOLDED_ROWS = 16, CHUNK_REALS = 16384, TREE = 8 };

typedef struct {
    ptrdiff_t rows, c;
    ptrdiff_t group, wide;          /* rows in a wide row, and reals in it */
    ptrdiff_t chunk_rows, chunks;
    int far;                        /* x comes from memory */
} columns;

static columns columns_of(ptrdiff_t rows, ptrdiff_t c)
{
    columns s = {.rows = rows, .c = c, .group = c < FEW_CHANNELS ? FOLDED_ROWS : 1,
                 .far = is_far(rows * c)};
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

/* What is summed: x; x^2; (x - mean)^2; or x, and behind it x (z - mean), which is read along. The
   last of them leaves out the x of which (z - mean) scale + shift, a relu's argument, is not above
   0; scale and shift are rows behind mean. */
enum { PLAIN, SQUARES, SPREAD, PRODUCTS, RELU_PRODUCTS };

/* The sum of v by halves; v is no more after it. */
INLINE vf tree_sum(vf *v, const int count)
{
    EACH(level, 3)                          /* TREE is 2^3; one row has nothing to add */
        EACH(r, count >> (level + 1)) v[r] += v[r + (count >> (level + 1))];
    return v[0];
}

/* Add m columns of `count` rows, 1 or TREE, `row` apart, to total; products one row behind it.
   asks: ask for what is wanted `ahead` reals later. */
INLINE void add_columns(real *total, const real *x, const real *z, const real *mean,
                        const int count, ptrdiff_t m, ptrdiff_t row, const int term,
                        const int asks, ptrdiff_t ahead)
{
    const int relu = term == RELU_PRODUCTS, pairs = relu || term == PRODUCTS;
    const vf middle = pairs || term == SPREAD ? load_some(mean, m) : zero();
    const vf scale = relu ? load_some(mean + row, m) : zero();
    const vf shift = relu ? load_some(mean + 2 * row, m) : zero();
    vf v[TREE], products[TREE];
    if (asks)
        EACH(r, count) {
            ask_line(x + r * row + ahead);
            if (pairs) ask_line(z + r * row + ahead);
        }
    for (int r = 0; r < count; r++) {
        v[r] = load_some(x + r * row, m);
        if (pairs) {
            const vf centred = load_some(z + r * row, m) - middle;
            if (relu) v[r] = keep(lt(zero(), fma_(centred, scale, shift)), v[r]);
            products[r] = v[r] * centred;
        }
        if (term == SPREAD) v[r] -= middle;
        if (term == SQUARES || term == SPREAD) v[r] *= v[r];
    }
    store_some(total, load_some(total, m) + tree_sum(v, count), m);
    if (pairs)
        store_some(total + row, load_some(total + row, m) + tree_sum(products, count), m);
}

/* n columns. */
INLINE void add_block(real *total, const real *x, const real *z, const real *mean,
                      const int count, ptrdiff_t n, ptrdiff_t row, const int term, const int asks,
                      ptrdiff_t ahead)
{
    FOR_VECTORS(j, m, n)
        add_columns(total + j, x + j, z + j, mean + j, count, m, row, term, asks, ahead);
}

/* Load a real of each line of n reals, of both. */
INLINE void touch(const real *x, const real *z, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i += LINE_REALS) {
        (void)*(const volatile real *)(x + i);
        (void)*(const volatile real *)(z + i);
    }
}

/* Add `count` rows of n reals, `row` apart: eight rows by a tree, then singly. ahead: 0, or so far
   that what comes from memory has the time to. */
INLINE void add_rows(real *total, const real *x, const real *z, const real *mean, ptrdiff_t count,
                     ptrdiff_t n, ptrdiff_t row, const int term, ptrdiff_t ahead)
{
    const ptrdiff_t eight = TREE * row;
    const int touches = W < LINE_REALS && term >= PRODUCTS;
    ptrdiff_t k = 0;
    if (ahead)
        for (; k + TREE <= count; k += TREE, x += eight, z += eight) {
            if (touches) touch(x, z, eight);
            add_block(total, x, z, mean, TREE, n, row, term, !touches, larger(ahead, eight));
        }
    for (; k + TREE <= count; k += TREE, x += eight, z += eight)
        add_block(total, x, z, mean, TREE, n, row, term, 0, 0);
    for (; k < count; k++, x += row, z += row) add_block(total, x, z, mean, 1, n, row, term, 0, 0);
}

/* total (wide), of which the first c stay = the sums over `rows` rows of x; mean: (wide).
   Products: total (2, wide). */
INLINE void sum_chunk(real *total, const real *x, const real *z, const real *mean, ptrdiff_t rows,
                      const columns *s, const int term)
{
    const ptrdiff_t count = rows / s->group, rest = rows % s->group * s->c;
    const ptrdiff_t done = count * s->wide, sums = term >= PRODUCTS ? 2 : 1;
    /* what differences read again is in the cache: ask for the next chunk meanwhile */
    const ptrdiff_t ahead = !s->far ? 0 : term == SPREAD ? s->chunk_rows * s->c : ASK_AHEAD;
    memset(total, 0, (size_t)(sums * s->wide) * sizeof(real));
    add_rows(total, x, z, mean, count, s->wide, s->wide, term, ahead);
    if (rest) add_rows(total, x + done, z + done, mean, 1, rest, s->wide, term, 0);
    for (real *t = total; t < total + sums * s->wide; t += s->wide)
        for (ptrdiff_t half = s->group / 2; half; half /= 2)
            for (ptrdiff_t i = 0; i < half * s->c; i++) t[i] += t[i + half * s->c];
}

#endif
