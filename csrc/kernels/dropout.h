/* Dropout: the bits of a strip are drawn, and select while they are in L1, and while those of the
   next are drawn: drawing computes, selecting waits for memory.

       strip        0        1        2
       draw       =====    =====    =====
       select              =====    =====    =====     of the one before

   Dropped means selected zero, not multiplied by zero: inf and NaN are dropped too. Backward
   selects by the bits that forward wrote; or it is forward again, on dout, and draws them anew. */
#ifndef MD_DROPOUT_H
#define MD_DROPOUT_H

#include "mask.h"

#define SELECT_NS 0.3 /* an element, about: at the pace of memory */

typedef struct {
    real *y;
    uint32_t *bits;                  /* NULL: not wanted */
    const real *x;
    ptrdiff_t n;
    uint64_t first;
    const md_drop_law *values;
    mask_law law;
    int past;
    ptrdiff_t item;                  /* elements of one */
} dropout_work;

/* Elements i .. end: those of a strip are selected while the next one is drawn. */
static void drop_range(const dropout_work *w, ptrdiff_t i, ptrdiff_t end)
{
    uint32_t strips[2][STRIP_WORDS + 1];
    int s = 0;
    ptrdiff_t n = draw_strip(strips[s], &w->law, w->first + (uint64_t)i, end - i);
    for (ptrdiff_t next; i < end; i = next, s ^= 1) {
        selection now = selection_of(w->y + i, w->x + i, strips[s], n, w->values, w->past);
        if (w->bits) append_bits(w->bits, i, strips[s], n);
        next = i + n;
        if (next < end)
            n = draw_strip_beside(strips[s ^ 1], &w->law, w->first + (uint64_t)next, end - next,
                                  &now);
        select_rest(&now);
    }
}

/* Elements of an item of the parallel loop: as many strips as can be, since the first is drawn with
   nothing beside it, in as many items for each worker. */
static ptrdiff_t drop_item(ptrdiff_t n)
{
    const ptrdiff_t items = round_up(n / (4 * MASK_ITEM) + 1, md_workers());
    return larger(MASK_ITEM, round_up(ceil_div(n, items), STRIP));
}

static void dropout_item(void *context, ptrdiff_t item, int worker)
{
    const dropout_work *w = context;
    (void)worker;
    drop_range(w, item * w->item, smaller(w->n, (item + 1) * w->item));
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
    dropout_work w = {y, bits, x, n, first, law, mask_law_of(s, threshold), goes_past(y, n),
                      drop_item(n)};
    md_parallel_for(ceil_div(n, w.item), SELECT_NS * (double)n + mask_cost(&w.law, n),
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
