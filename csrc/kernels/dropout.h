/* Dropout: draw the bits of a strip, and select by them while they are in L1.

   Dropped means selected zero, not multiplied by zero: inf and NaN are dropped too. Backward
   selects by the bits that forward wrote; or it is forward again, on dout, and draws them anew. */
#ifndef MD_DROPOUT_H
#define MD_DROPOUT_H

#include "mask.h"
#include "nontemporal.h"

#define SELECT_NS 0.3 /* an element, about: at the pace of memory */

/* to = from scale + shift where the bits of a word are 1, else `dropped`; n reals, at most 32.
   plain: shift and dropped are 0. past: past the caches. */
INLINE void select_word(real *to, const real *from, uint32_t word, ptrdiff_t n, vf scale, vf shift,
                        vf dropped, const int plain, const int past)
{
    FOR_VECTORS(j, m, n) {
        const vm kept = mask_from_word(word, (int)j);
        const vf x = load_some(from + j, m);
        put(to + j, plain ? keep(kept, x * scale) : blend(kept, fma_(x, scale, shift), dropped), m,
            past);
    }
}

INLINE void select_words(real *to, const real *from, const uint32_t *bits, ptrdiff_t n,
                         const md_drop_law *law, const int plain, const int past)
{
    const vf scale = set1((real)law->scale), shift = set1((real)law->shift);
    const vf dropped = set1((real)law->dropped);
    const ptrdiff_t whole = n / 32 * 32;
    for (ptrdiff_t i = 0; i < whole; i += 32)
        select_word(to + i, from + i, bits[i / 32], 32, scale, shift, dropped, plain, past);
    if (whole < n)
        select_word(to + whole, from + whole, bits[n / 32], n - whole, scale, shift, dropped,
                    plain, past);
}

/* to = from scale + shift where the bits are 1, else `dropped`. past: where it can be. */
static void select_by_law(real *to, const real *from, const uint32_t *bits, ptrdiff_t n,
                          const md_drop_law *law, int past)
{
    const int plain = (real)law->shift == 0 && (real)law->dropped == 0;
    if (past && at_vector(to))
        plain ? select_words(to, from, bits, n, law, 1, 1)
              : select_words(to, from, bits, n, law, 0, 1);
    else
        plain ? select_words(to, from, bits, n, law, 1, 0)
              : select_words(to, from, bits, n, law, 0, 0);
}

/* to = from scale where the bits are 1, else +0. */
static void select_scaled(real *to, const real *from, const uint32_t *bits, ptrdiff_t n, real scale,
                          int past)
{
    const md_drop_law law = {.scale = scale};
    select_by_law(to, from, bits, n, &law, past);
}

typedef struct {
    real *y;
    uint32_t *bits;                  /* NULL: not wanted */
    const real *x;
    ptrdiff_t n;
    uint64_t first;
    const md_drop_law *values;
    mask_law law;
    int past;
} dropout_work;

/* Elements i .. end. */
static void drop_range(const dropout_work *w, ptrdiff_t i, ptrdiff_t end)
{
    for (ptrdiff_t m; i < end; i += m) {
        uint32_t strip[STRIP_WORDS + 1];
        m = draw_strip(strip, &w->law, w->first + (uint64_t)i, end - i);
        select_by_law(w->y + i, w->x + i, strip, m, w->values, w->past);
        if (w->bits) append_bits(w->bits, i, strip, m);
    }
}

static void dropout_item(void *context, ptrdiff_t item, int worker)
{
    const dropout_work *w = context;
    (void)worker;
    drop_range(w, item * MASK_ITEM, smaller(w->n, (item + 1) * MASK_ITEM));
}

/* Elements i .. i + n of y, in place, while they are in the cache. */
static void drop_tail(const md_drop *drop, real *y, ptrdiff_t i, ptrdiff_t n)
{
    const dropout_work w = {y, NULL, y, n, drop->first, &drop->law,
                            mask_law_of(&drop->stream, drop->threshold), .past = 0};
    drop_range(&w, i, i + n);
}

static void dropout_forward(real *y, uint32_t *bits, const real *x, ptrdiff_t n,
                            const md_stream *s, uint64_t first, uint64_t threshold,
                            const md_drop_law *law)
{
    dropout_work w = {y, bits, x, n, first, law, mask_law_of(s, threshold), goes_past(y, n)};
    md_parallel_for(ceil_div(n, MASK_ITEM), SELECT_NS * (double)n + mask_cost(&w.law, n),
                    dropout_item, &w);
}

typedef struct {
    real *dx;
    const real *dout;
    const uint32_t *bits;
    ptrdiff_t n;
    real scale;
    int past;
} dropout_back;

static void dropout_back_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const dropout_back *w = context;
    const ptrdiff_t i = item * MASK_ITEM;
    select_scaled(w->dx + i, w->dout + i, w->bits + i / 32, smaller(MASK_ITEM, w->n - i), w->scale,
                  w->past);
}

static void dropout_backward(real *dx, const real *dout, const uint32_t *bits, ptrdiff_t n,
                             double scale)
{
    dropout_back w = {dx, dout, bits, n, (real)scale, goes_past(dx, n)};
    md_parallel_for(ceil_div(n, MASK_ITEM), SELECT_NS * (double)n, dropout_back_item, &w);
}

#endif
