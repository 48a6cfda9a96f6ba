/* DropConnect with a mask for every sample (Wan et al. 2013): sample i is multiplied by the matrix
   w that its own n x k bits leave over. No such matrix is ever in memory: w is read once for every
   sample, and its bits are made while it passes.

   Element (i, l, j) of the mask has the index (i k + l) n + j; where bits are stored, those of a
   sample begin with a word of their own. A mask for the whole batch needs no kernel of its own:
   see matmul_masked. */
#ifndef MD_DROP_CONNECT_H
#define MD_DROP_CONNECT_H

#include "mask.h"

typedef struct {
    real *y;                         /* NULL: only the bits are wanted */
    uint32_t *bits;                  /* NULL: not wanted */
    const real *x, *w, *bias;
    ptrdiff_t n, k, words;           /* words of bits that a sample has */
    uint64_t first;
    real scale;
    mask_law law;
} connect_work;

/* y (n) += x w (n) scale, where the n bits from bit `at` on keep. */
INLINE void add_kept(real *y, real x, const real *w, const uint32_t *bits, ptrdiff_t at,
                     ptrdiff_t n, real scale)
{
    const vf factor = set1(x), s = set1(scale);
    const ptrdiff_t whole = n / 32 * 32;
    for (ptrdiff_t i = 0; i < whole; i += 32) {
        const uint32_t word = bits_at(bits, at + i, 32);
        for (int j = 0; j < 32; j += W) {
            const vf kept = keep(mask_from_word(word, j), load(w + i + j) * s);
            store(y + i + j, fma_(factor, kept, load(y + i + j)));
        }
    }
    if (whole == n) return;
    const uint32_t word = bits_at(bits, at + whole, n - whole);
    FOR_VECTORS(j, m, n - whole) {
        const vf kept = keep(mask_from_word(word, (int)j), load_some(w + whole + j, m) * s);
        store_some(y + whole + j, fma_(factor, kept, load_some(y + whole + j, m)), m);
    }
}

/* One sample: strips of bits, each cut into what it has of the rows of w. */
static void connect_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const connect_work *w = context;
    const ptrdiff_t n = w->n, size = w->k * n;
    const real *x = w->x + item * w->k;
    real *y = w->y ? w->y + item * n : NULL;
    for (ptrdiff_t j = 0; y && j < n; j++) y[j] = 0;
    for (ptrdiff_t start = 0, drawn; start < size; start += drawn) {
        uint32_t strip[STRIP_WORDS + 1];
        const uint64_t first = w->first + (uint64_t)(item * size + start);
        drawn = draw_strip(strip, &w->law, first, size - start);
        if (w->bits) append_bits(w->bits + item * w->words, start, strip, drawn);
        for (ptrdiff_t e = start, m; y && e < start + drawn; e += m) {   /* parts of rows */
            const ptrdiff_t j = e % n;
            m = smaller(n - j, start + drawn - e);
            add_kept(y + j, x[e / n], w->w + e, strip, e - start, m, w->scale);
        }
    }
    for (ptrdiff_t j = 0; y && w->bias && j < n; j++) y[j] += w->bias[j];
}

static ptrdiff_t connect_words(ptrdiff_t n, ptrdiff_t k) { return ceil_div(n * k, 32); }

static void drop_connect_forward(real *y, uint32_t *bits, const real *x, const real *w,
                                 const real *bias, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
                                 const md_stream *s, uint64_t first, uint64_t threshold,
                                 double scale)
{
    connect_work c = {y, bits, x, w, bias, n, k, connect_words(n, k), first, (real)scale,
                      mask_law_of(s, threshold)};
    const double cost = 0.3 * (double)(n * k) + mask_cost(&c.law, n * k);
    md_parallel_for(m, cost * (double)m, connect_item, &c);
}

/* ---- backward ---- */

typedef struct {
    real *dx, *dw;
    const real *dout, *x, *w;
    const uint32_t *bits;
    ptrdiff_t m, n, k, words, rows;  /* rows of dw in an item */
    real scale;
} connect_back;

/* The sum over n of a b where the bits from bit `at` on keep, in 16 logical lanes. */
INLINE real dot_kept(const real *a, const real *b, const uint32_t *bits, ptrdiff_t at, ptrdiff_t n,
                     real scale)
{
    const vf s = set1(scale);
    lanes16 sum = lanes_set1(0);
    FOR_LANES16(j, part, m, n) {
        const vm kept = mask_from_bits(bits_at(bits, at + j, smaller(m, W)));
        const vf b_kept = keep(kept, load_some(b + j, m) * s);
        sum.part[part] = fma_(load_some(a + j, m), b_kept, sum.part[part]);
    }
    return lanes_sum(sum);
}

/* dx of one sample. */
static void connect_dx_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const connect_back *w = context;
    for (ptrdiff_t l = 0; l < w->k; l++)
        w->dx[item * w->k + l] = dot_kept(w->dout + item * w->n, w->w + l * w->n,
                                          w->bits + item * w->words, l * w->n, w->n, w->scale);
}

/* Some rows of dw, one sample after the other. */
static void connect_dw_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const connect_back *w = context;
    const ptrdiff_t n = w->n, l0 = item * w->rows, l1 = smaller(w->k, l0 + w->rows);
    for (ptrdiff_t e = l0 * n; e < l1 * n; e++) w->dw[e] = 0;
    for (ptrdiff_t i = 0; i < w->m; i++)
        for (ptrdiff_t l = l0; l < l1; l++)
            add_kept(w->dw + l * n, w->x[i * w->k + l], w->dout + i * n, w->bits + i * w->words,
                     l * n, n, w->scale);
}

static void drop_connect_backward(real *dx, real *dw, const real *dout, const real *x,
                                  const real *w, const uint32_t *bits, ptrdiff_t m, ptrdiff_t n,
                                  ptrdiff_t k, double scale)
{
    const double cost = 0.3 * (double)m * (double)(n * k);
    const ptrdiff_t rows = larger(1, 4096 / larger(1, n));
    connect_back b = {dx, dw, dout, x, w, bits, m, n, k, connect_words(n, k), rows, (real)scale};
    if (dx) md_parallel_for(m, cost, connect_dx_item, &b);
    if (dw) md_parallel_for(ceil_div(k, rows), cost, connect_dw_item, &b);
}

#endif
