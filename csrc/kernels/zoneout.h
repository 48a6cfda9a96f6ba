/* Zoneout: each element takes its new value where the mask keeps, its old one elsewhere. */
#ifndef MD_ZONEOUT_H
#define MD_ZONEOUT_H

#include "dropout.h"

/* By the bits of a word: n reals, at most 32. */
INLINE void select_between_word(real *to, const real *kept, const real *dropped, uint32_t word,
                                ptrdiff_t n, const int past)
{
    FOR_VECTORS(j, m, n) {
        const vf yes = kept ? load_some(kept + j, m) : zero();
        const vf no = dropped ? load_some(dropped + j, m) : zero();
        put(to + j, blend(mask_from_word(word, (int)j), yes, no), m, past);
    }
}

/* to = kept where the bits are 1, else dropped; either may be NULL for zeros. */
static void select_between(real *to, const real *kept, const real *dropped, const uint32_t *bits,
                           ptrdiff_t n, int past)
{
    past = past && at_vector(to);
    for (ptrdiff_t i = 0; i < n; i += 32) {
        const real *yes = kept ? kept + i : NULL, *no = dropped ? dropped + i : NULL;
        if (n - i >= 32) select_between_word(to + i, yes, no, bits[i / 32], 32, past);
        else select_between_word(to + i, yes, no, bits[i / 32], n - i, past);
    }
}

typedef struct {
    real *y;
    uint32_t *bits;                  /* NULL: not wanted */
    const real *new, *old;
    ptrdiff_t n;
    uint64_t first;
    mask_law law;
    int past;
} zoneout_work;

static void zoneout_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const zoneout_work *w = context;
    const ptrdiff_t end = smaller(w->n, (item + 1) * MASK_ITEM);
    for (ptrdiff_t i = item * MASK_ITEM, m; i < end; i += m) {
        uint32_t strip[STRIP_WORDS + 1];
        m = draw_strip(strip, &w->law, w->first + (uint64_t)i, end - i);
        select_between(w->y + i, w->new + i, w->old + i, strip, m, w->past);
        if (w->bits) append_bits(w->bits, i, strip, m);
    }
}

static void zoneout_forward(real *y, uint32_t *bits, const real *new, const real *old, ptrdiff_t n,
                            const md_stream *s, uint64_t first, uint64_t threshold)
{
    zoneout_work w = {y, bits, new, old, n, first, mask_law_of(s, threshold), goes_past(y, n)};
    md_parallel_for(ceil_div(n, MASK_ITEM), SELECT_NS * (double)n + mask_cost(&w.law, n),
                    zoneout_item, &w);
}

typedef struct {
    real *dnew, *dold;
    const real *dout;
    const uint32_t *bits;
    ptrdiff_t n;
    int new_past, old_past;
} zoneout_back;

static void zoneout_back_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const zoneout_back *w = context;
    const ptrdiff_t i = item * MASK_ITEM, n = smaller(MASK_ITEM, w->n - i);
    const uint32_t *bits = w->bits + i / 32;
    if (w->dnew) select_between(w->dnew + i, w->dout + i, NULL, bits, n, w->new_past);
    if (w->dold) select_between(w->dold + i, NULL, w->dout + i, bits, n, w->old_past);
}

static void zoneout_backward(real *dnew, real *dold, const real *dout, const uint32_t *bits,
                             ptrdiff_t n)
{
    zoneout_back w = {dnew, dold, dout, bits, n, goes_past(dnew, n), goes_past(dold, n)};
    md_parallel_for(ceil_div(n, MASK_ITEM), SELECT_NS * (double)n, zoneout_back_item, &w);
}

#endif
