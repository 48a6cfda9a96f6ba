/* Concrete dropout (Gal, Hron, Kendall 2017): a mask of shares between 0 and 1 instead of bits, so
   that the rate p has a gradient. With l = log(p / (1 - p)) and u uniform over (0, 1),

       z = sigmoid((l + log(u / (1 - u))) / temperature)        the dropped share of the element
       kept = (1 - z) / (1 - p)                                 what its x is multiplied by
       d kept / d l = kept (p - z / temperature)

   u is (w + 1/2) / 2^32 for a random word w. log(u / (1 - u)) is odd around u = 1/2, so it is taken
   of the smaller of u and 1 - u, which loses no digits, and then given its sign. */
#ifndef MD_CONCRETE_H
#define MD_CONCRETE_H

#include "mask.h"
#include "mathf.h"

enum { CONCRETE_ITEM = 4096, CONCRETE_WORDS = 1024 };
#define CONCRETE_NS 3.0 /* an element, about */

/* n random words as the smaller of u and 1 - u, and on which side of 1/2 u is: -1 or 1. */
INLINE void split_uniform(real *u, real *side, const uint32_t *words, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const int32_t below = (int32_t)(words[i] >> 31 ? ~words[i] : words[i]);
        u[i] = (real)below * (real)0x1p-32 + (real)0x1p-33;
        side[i] = words[i] >> 31 ? (real)1 : (real)-1;
    }
}

/* log(u / (1 - u)) */
INLINE vf logistic(vf u, vf side) { return copy_sign(log_((set1(1) - u) / u), side); }

typedef struct {
    real *y, *kept;                  /* y: NULL where only kept is wanted */
    const real *x;
    ptrdiff_t n;
    real logit, sharpness;           /* 1 / temperature */
    const md_stream *s;
    uint64_t first;
} concrete_work;

static void concrete_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const concrete_work *w = context;
    const ptrdiff_t end = smaller(w->n, (item + 1) * CONCRETE_ITEM);
    const vf logit = set1(w->logit), sharpness = set1(w->sharpness);
    const vf scale = set1(1) + exp_(logit);                      /* 1 / (1 - p) */
    for (ptrdiff_t start = item * CONCRETE_ITEM; start < end; start += CONCRETE_WORDS) {
        uint32_t words[CONCRETE_WORDS];
        real u[CONCRETE_WORDS], side[CONCRETE_WORDS];
        const ptrdiff_t n = smaller(CONCRETE_WORDS, end - start);
        random_words(words, n, w->s, w->first + (uint64_t)start);
        split_uniform(u, side, words, n);
        FOR_VECTORS(i, m, n) {
            const vf noise = logistic(load_some(u + i, m), load_some(side + i, m));
            const vf kept = sigmoid_(-(logit + noise) * sharpness) * scale;
            store_some(w->kept + start + i, kept, m);
            if (w->y) store_some(w->y + start + i, load_some(w->x + start + i, m) * kept, m);
        }
    }
}

static void concrete_forward(real *y, real *kept, const real *x, ptrdiff_t n, double logit,
                             double temperature, const md_stream *s, uint64_t first)
{
    concrete_work w = {y, kept, x, n, (real)logit, (real)(1 / temperature), s, first};
    md_parallel_for(ceil_div(n, CONCRETE_ITEM), CONCRETE_NS * (double)n, concrete_item, &w);
}

typedef struct {
    real *dx, *slope;
    const real *dout, *x, *kept;
    ptrdiff_t n;
    real logit, sharpness;
} concrete_back;

static void concrete_back_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const concrete_back *w = context;
    const ptrdiff_t end = smaller(w->n, (item + 1) * CONCRETE_ITEM);
    const vf sharpness = set1(w->sharpness), odds = exp_(set1(w->logit));
    const vf scale = set1(1) + odds, p = odds / scale;
    for (ptrdiff_t i = item * CONCRETE_ITEM; i < end; i += W) {
        const ptrdiff_t m = smaller(W, end - i);
        const vf kept = load_some(w->kept + i, m), z = set1(1) - kept / scale;
        const vf dx = load_some(w->dout + i, m) * kept;
        const vf rise = fma_(-z, sharpness, p);
        store_some(w->dx + i, dx, m);
        store_some(w->slope + i, dx * load_some(w->x + i, m) * rise, m);
    }
}

static void concrete_backward(real *dx, real *slope, const real *dout, const real *x,
                              const real *kept, ptrdiff_t n, double logit, double temperature)
{
    concrete_back w = {dx, slope, dout, x, kept, n, (real)logit, (real)(1 / temperature)};
    md_parallel_for(ceil_div(n, CONCRETE_ITEM), 0.5 * (double)n, concrete_back_item, &w);
}

#endif
