/* DropBlock (Ghiasi et al. 2018): seeds, each of which drops a square of block x block pixels.

        seeds          along the row       down the columns       A seed is the upper left
     . . . . . .       . . . . . .           . . . . . .          corner of its block, and
     . x . . . .       . # # # . .           . # # # . .          there are seeds only where
     . . . . . .   =>  . . . . . .     =>    . # # # . .          a block fits.
     . . . . . .       . . . . . .           . # # # . .
     . . . . . .       . . . . . .           . . . . . .

   Everything until the last step is done on bits, 1/32 of the memory of x, a row of an image (w
   pixels of c channels) in whole words. A pixel to the right is c bits further up, so that a row
   grows by or-ing it with itself shifted by c bits; doubling the shift takes log2(block) steps
   instead of block. Rows grow into columns in the same way. One sample is an item: its mask, its
   scale and its pixels are done while they are in the cache. */
#ifndef MD_DROP_BLOCK_H
#define MD_DROP_BLOCK_H

#include "dropout.h"

typedef struct {
    real *y;                         /* NULL: only bits and scales are wanted */
    uint32_t *bits;
    real *scales;
    const real *x;
    const md_blocks *g;
    uint64_t first;
    mask_law law;
    uint32_t *scratch;
} block_work;

/* Channels that have masks of their own, and words of a row of bits. */
INLINE ptrdiff_t block_channels(const md_blocks *g) { return g->shared ? 1 : g->c; }
INLINE ptrdiff_t block_row_words(const md_blocks *g)
{
    return ceil_div(g->w * block_channels(g), 32);
}

/* Bits of the seeds of a sample. */
INLINE ptrdiff_t block_seeds(const md_blocks *g)
{
    return (g->h - g->block + 1) * (g->w - g->block + 1) * block_channels(g);
}

/* to = from | from moved up by `shift` bits, all of `words` words. */
static void or_shifted(uint32_t *restrict to, const uint32_t *restrict from, ptrdiff_t words,
                       ptrdiff_t shift)
{
    const ptrdiff_t skip = smaller(shift / 32, words);
    const int up = (int)(shift % 32);
    memcpy(to, from, (size_t)skip * sizeof *to);
    if (skip == words) return;
    to[skip] = from[skip] | from[0] << up;
    if (up == 0)
        for (ptrdiff_t i = skip + 1; i < words; i++) to[i] = from[i] | from[i - skip];
    else
        for (ptrdiff_t i = skip + 1; i < words; i++)
            to[i] = from[i] | from[i - skip] << up | from[i - skip - 1] >> (32 - up);
}

/* Seeds to blocks along one row of pixels, `step` bits each. Returns the row, in a or in b. */
static uint32_t *grow_row(uint32_t *a, uint32_t *b, ptrdiff_t words, ptrdiff_t step,
                          ptrdiff_t block)
{
    for (ptrdiff_t have = 1, more; have < block; have += more) {
        more = smaller(have, block - have);
        or_shifted(b, a, words, more * step);
        uint32_t *grown = b;
        b = a;
        a = grown;
    }
    return a;
}

/* Rows to blocks down the columns: from the last row up, so that each is read before it changes. */
static void grow_rows(uint32_t *bits, ptrdiff_t rows, ptrdiff_t words, ptrdiff_t block)
{
    for (ptrdiff_t have = 1, more; have < block; have += more) {
        more = smaller(have, block - have);
        for (ptrdiff_t i = rows * words - 1; i >= more * words; i--)
            bits[i] |= bits[i - more * words];
    }
}

/* What is dropped of one sample: h rows of bits. scratch: the seeds, and two rows. */
static void drop_blocks(uint32_t *bits, const block_work *w, ptrdiff_t sample, uint32_t *seeds)
{
    const md_blocks *g = w->g;
    const ptrdiff_t c = block_channels(g), words = block_row_words(g), count = block_seeds(g);
    const ptrdiff_t across = (g->w - g->block + 1) * c, down = g->h - g->block + 1;
    uint32_t *const row = seeds + ceil_div(count, 32) + 1, *const other = row + words;
    for (ptrdiff_t i = 0, m; i < count; i += m) {
        uint32_t strip[STRIP_WORDS + 1];
        m = draw_strip(strip, &w->law, w->first + (uint64_t)(sample * count + i), count - i);
        append_bits(seeds, i, strip, m);
    }
    for (ptrdiff_t r = 0; r < down; r++) {
        for (ptrdiff_t i = 0; i < words; i++) {
            const ptrdiff_t n = smaller(32, across - 32 * i);
            const uint32_t live = n <= 0 ? 0 : n == 32 ? ~(uint32_t)0 : ((uint32_t)1 << n) - 1;
            row[i] = live ? ~bits_at(seeds, r * across + 32 * i, n) & live : 0;
        }
        memcpy(bits + r * words, grow_row(row, other, words, c, g->block),
               (size_t)words * sizeof *bits);
    }
    memset(bits + down * words, 0, (size_t)((g->h - down) * words) * sizeof *bits);
    grow_rows(bits, g->h, words, g->block);
}

/* Turn the dropped of a sample into the kept; returns how many those are. */
static ptrdiff_t keep_the_rest(uint32_t *bits, const md_blocks *g)
{
    const ptrdiff_t n = g->w * block_channels(g), words = block_row_words(g);
    ptrdiff_t kept = 0;
    for (ptrdiff_t r = 0; r < g->h; r++, bits += words) {
        for (ptrdiff_t i = 0; i < words; i++) bits[i] = ~bits[i];
        if (n % 32) bits[words - 1] &= ((uint32_t)1 << n % 32) - 1;
        for (ptrdiff_t i = 0; i < words; i++) kept += __builtin_popcount(bits[i]);
    }
    return kept;
}

/* to = from scale where the bits of a sample keep, else +0. */
static void select_blocks(real *to, const real *from, const uint32_t *bits, const md_blocks *g,
                          real scale)
{
    const ptrdiff_t words = block_row_words(g);
    for (ptrdiff_t r = 0; r < g->h; r++, bits += words) {
        if (!g->shared) {
            select_scaled(to, from, bits, g->w * g->c, scale, 0);
            to += g->w * g->c, from += g->w * g->c;
            continue;
        }
        for (ptrdiff_t j = 0; j < g->w; j++, to += g->c, from += g->c) {
            const vm all = mask_from_bits(bits[j / 32] >> j % 32 & 1 ? ~(uint32_t)0 : 0);
            FOR_VECTORS(i, m, g->c)
                store_some(to + i, keep(all, load_some(from + i, m) * set1(scale)), m);
        }
    }
}

/* Words of scratch for one worker. */
INLINE ptrdiff_t block_worker_words(const md_blocks *g)
{
    return ceil_div(block_seeds(g), 32) + 1 + 2 * block_row_words(g);
}

static void block_item(void *context, ptrdiff_t item, int worker)
{
    const block_work *w = context;
    const md_blocks *g = w->g;
    const ptrdiff_t size = g->h * g->w * g->c, masked = g->h * g->w * block_channels(g);
    uint32_t *bits = w->bits + item * g->h * block_row_words(g);
    drop_blocks(bits, w, item, w->scratch + worker * block_worker_words(g));
    const ptrdiff_t kept = keep_the_rest(bits, g);
    w->scales[item] = kept ? (real)((double)masked / (double)kept) : 0;
    if (w->y) select_blocks(w->y + item * size, w->x + item * size, bits, g, w->scales[item]);
}

static ptrdiff_t drop_block_scratch(const md_blocks *g)
{
    return (ptrdiff_t)md_workers() * block_worker_words(g);
}

static void drop_block_forward(real *y, uint32_t *bits, real *scales, const real *x,
                               const md_blocks *g, const md_stream *s, uint64_t first,
                               uint64_t threshold, uint32_t *scratch)
{
    block_work w = {y, bits, scales, x, g, first, mask_law_of(s, threshold), scratch};
    const ptrdiff_t size = g->h * g->w * g->c;
    const double cost = SELECT_NS * (double)size + mask_cost(&w.law, block_seeds(g));
    md_parallel_for(size ? g->n : 0, cost * (double)g->n, block_item, &w);
}

typedef struct {
    real *dx;
    const real *dout, *scales;
    const uint32_t *bits;
    const md_blocks *g;
} block_back;

static void block_back_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const block_back *w = context;
    const md_blocks *g = w->g;
    const ptrdiff_t size = g->h * g->w * g->c;
    select_blocks(w->dx + item * size, w->dout + item * size,
                  w->bits + item * g->h * block_row_words(g), g, w->scales[item]);
}

static void drop_block_backward(real *dx, const real *dout, const uint32_t *bits,
                                const real *scales, const md_blocks *g)
{
    block_back w = {dx, dout, scales, bits, g};
    const double size = (double)(g->h * g->w * g->c) * (double)g->n;
    md_parallel_for(size > 0 ? g->n : 0, SELECT_NS * size, block_back_item, &w);
}

#endif
