/* Selection by the bits of a mask: what is kept is scaled, what is dropped is one number. */
#ifndef MD_SELECT_H
#define MD_SELECT_H

#include "nontemporal.h"

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

INLINE int is_plain(const md_drop_law *law)
{
    return (real)law->shift == 0 && (real)law->dropped == 0;
}

/* to = from scale + shift where the bits are 1, else `dropped`. */
INLINE void select_all(real *to, const real *from, const uint32_t *bits, ptrdiff_t n,
                       const md_drop_law *law, int plain, int past)
{
    if (past)
        plain ? select_words(to, from, bits, n, law, 1, 1)
              : select_words(to, from, bits, n, law, 0, 1);
    else
        plain ? select_words(to, from, bits, n, law, 1, 0)
              : select_words(to, from, bits, n, law, 0, 0);
}

/* The same. past: where it can be. */
static void select_by_law(real *to, const real *from, const uint32_t *bits, ptrdiff_t n,
                          const md_drop_law *law, int past)
{
    select_all(to, from, bits, n, law, is_plain(law), past && at_vector(to));
}

/* to = from scale where the bits are 1, else +0. */
static void select_scaled(real *to, const real *from, const uint32_t *bits, ptrdiff_t n, real scale,
                          int past)
{
    const md_drop_law law = {.scale = scale};
    select_by_law(to, from, bits, n, &law, past);
}

/* A selection that goes on piece by piece while something else is computed, so that memory is at
   work meanwhile. A piece is to be short: a core looks ahead over some fifty lines of the cache. */
typedef struct {
    real *to;
    const real *from;
    const uint32_t *bits;
    ptrdiff_t n;                     /* reals that are left */
    const md_drop_law *law;
    int plain, past;
} selection;

static selection selection_of(real *to, const real *from, const uint32_t *bits, ptrdiff_t n,
                              const md_drop_law *law, int past)
{
    return (selection){to, from, bits, n, law, is_plain(law), past && at_vector(to)};
}

/* Piece i of `pieces` that have so many words of bits together, if there is as much left. */
INLINE void select_piece(selection *s, ptrdiff_t words, int i, int pieces)
{
    const ptrdiff_t some = words * (i + 1) / pieces - words * i / pieces, n = 32 * some;
    if (n > s->n) return;
    select_all(s->to, s->from, s->bits, n, s->law, s->plain, s->past);
    s->to += n, s->from += n, s->bits += some, s->n -= n;
}

static void select_rest(const selection *s)
{
    select_all(s->to, s->from, s->bits, s->n, s->law, s->plain, s->past);
}

#endif
