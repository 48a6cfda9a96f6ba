/* Masks whose bits are shared: a channel's by its pixels, a sample's by all of it, a feature's by
   its time steps. The bits of a small mask are written out to a bit an element, 8192 elements at a
   time in L1, and dropout.h selects by them: so every shape is done at the pace of memory.

   The two fastest axes make a panel, of one of two kinds; the others are walked.

     tile: a row of `row` bits, again and again       runs: every bit `row` times
       a b c a b c a b c ...                            a a a a b b b b c c c c ...
       channels last: every pixel has the same          whole samples; time steps that share */
#ifndef MD_SHARED_MASK_H
#define MD_SHARED_MASK_H

#include "dropout.h"

enum { SHARED_STRIP = 8192 };

/* Bits that are put one after the other into words. */
typedef struct {
    uint32_t *words;
    uint64_t open;                   /* those of the word that is not yet full */
    ptrdiff_t n;                     /* all that were put */
} bit_writer;

INLINE uint32_t low_bits(uint32_t word, ptrdiff_t m)
{
    return m >= 32 ? word : word & (((uint32_t)1 << m) - 1);
}

/* Put m bits, at most 32. */
INLINE void put_bits(bit_writer *w, uint32_t bits, ptrdiff_t m)
{
    w->open |= (uint64_t)low_bits(bits, m) << w->n % 32;
    if (w->n % 32 + m >= 32) {
        w->words[w->n / 32] = (uint32_t)w->open;
        w->open >>= 32;
    }
    w->n += m;
}

/* Elements from .. from + n - 1 of a tile, whose row stands at bit `at` of the mask. After a few
   rows the bits are copied from what is written already, `back` before. */
static void put_tile(bit_writer *w, const uint32_t *mask, ptrdiff_t at, ptrdiff_t row,
                     ptrdiff_t from, ptrdiff_t n)
{
    const ptrdiff_t back = row * ceil_div(64, row);
    ptrdiff_t i = 0, column = from % row;
    while (i < smaller(n, back)) {
        const ptrdiff_t m = smaller(32, smaller(n - i, row - column));
        put_bits(w, bits_at(mask, at + column, m), m);
        i += m;
        column = column + m == row ? 0 : column + m;
    }
    if (i == n) return;
    const ptrdiff_t head = smaller(n - i, (32 - w->n % 32) % 32);
    if (head) put_bits(w, bits_at(w->words, w->n - back, head), head);
    i += head;

    uint32_t *to = w->words + w->n / 32;                     /* whole words, one after the other */
    const ptrdiff_t whole = (n - i) / 32, words_back = back / 32;
    const int shift = (int)(back % 32);
    if (shift)
        for (ptrdiff_t k = 0; k < whole; k++)
            to[k] = to[k - words_back - 1] >> (32 - shift) | to[k - words_back] << shift;
    else
        for (ptrdiff_t k = 0; k < whole; k++) to[k] = to[k - words_back];
    w->n += 32 * whole;
    i += 32 * whole;
    if (i < n) put_bits(w, bits_at(w->words, w->n - back, n - i), n - i);
}

/* What four bits become where each is repeated `run` times, run <= 8. */
static void repeat_bits(uint32_t table[16], ptrdiff_t run)
{
    const uint32_t ones = ((uint32_t)1 << run) - 1;
    for (uint32_t four = 0; four < 16; four++) {
        table[four] = 0;
        for (int i = 0; i < 4; i++)
            if (four >> i & 1) table[four] |= ones << i * run;
    }
}

/* Elements from .. from + n - 1 of runs of `run` elements, whose bits begin at bit `at`. table: of
   repeat_bits, for short runs. */
static void put_runs(bit_writer *w, const uint32_t *mask, ptrdiff_t at, ptrdiff_t run,
                     ptrdiff_t from, ptrdiff_t n, const uint32_t *table)
{
    at += from / run;
    for (ptrdiff_t left = smaller(n, run - from % run); n > 0; left = smaller(n, run), at++) {
        if (run <= 8 && left == run)
            for (; n >= 4 * run; n -= 4 * run, at += 4)
                put_bits(w, table[bits_at(mask, at, 4) & 15], 4 * run);
        left = smaller(n, left);
        if (left == 0) break;
        const uint32_t same = mask[at / 32] >> at % 32 & 1 ? ~(uint32_t)0 : 0;
        n -= left;
        for (; left > 32; left -= 32) put_bits(w, same, 32);
        put_bits(w, same, left);
    }
}

typedef struct {
    real *y;
    const real *x;
    const uint32_t *bits;
    const md_broadcast *s;
    const md_drop_law *law;
    ptrdiff_t n;
    int past;
} shared_work;

/* One bit for each of elements start .. start + n - 1. */
static void write_out(uint32_t *words, const shared_work *w, ptrdiff_t start, ptrdiff_t n)
{
    const md_broadcast *s = w->s;
    const ptrdiff_t *step = s->step[0];
    const ptrdiff_t panel = s->size[0] * (s->ndim > 1 ? s->size[1] : 1);
    ptrdiff_t at = 0, index[MD_DIMS], left = start / panel, from = start % panel;
    for (int d = 2; d < s->ndim; d++) {
        index[d] = left % s->size[d];
        left /= s->size[d];
        at += index[d] * step[d];
    }
    uint32_t table[16];
    if (s->size[0] <= 8) repeat_bits(table, s->size[0]);
    bit_writer to = {.words = words};
    for (ptrdiff_t m; n > 0; n -= m, from = 0) {
        m = smaller(n, panel - from);
        if (step[0]) put_tile(&to, w->bits, at, s->size[0], from, m);
        else put_runs(&to, w->bits, at, s->size[0], from, m, table);
        for (int d = 2; d < s->ndim; d++) {                  /* on to the next panel */
            at += step[d];
            if (++index[d] < s->size[d]) break;
            at -= s->size[d] * step[d];
            index[d] = 0;
        }
    }
    if (to.n % 32) words[to.n / 32] = (uint32_t)to.open;
}

static void shared_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const shared_work *w = context;
    const ptrdiff_t end = smaller(w->n, (item + 1) * MASK_ITEM);
    for (ptrdiff_t i = item * MASK_ITEM; i < end; i += SHARED_STRIP) {
        const ptrdiff_t m = smaller(SHARED_STRIP, end - i);
        uint32_t words[SHARED_STRIP / 32];
        write_out(words, w, i, m);
        select_by_law(w->y + i, w->x + i, words, m, w->law, w->past);
    }
}

static void shared_mask(real *y, const real *x, const uint32_t *bits, const md_broadcast *s,
                        const md_drop_law *law)
{
    const ptrdiff_t n = elements_of(s);
    shared_work w = {y, x, bits, s, law, n, goes_past(y, n)};
    md_parallel_for(ceil_div(n, MASK_ITEM), SELECT_NS * (double)n, shared_item, &w);
}

#endif
