/* Masks: random bits of ChaCha8, made into decisions 512 at a time.

   rng.h says which bits, cipher.h draws them; this file decides. Comparing U with the threshold is
   bit-sliced: a vector holds one binary digit of 512 different U, so that a digit of the threshold
   costs a few logical operations for all of them. From the last digit to the first, where the two
   digits differ, U is less if the threshold's is the 1; where they are the same, it stays as the
   later digits have it. No branches: p is data like any other. Where p has more digits, the few
   elements that the first eight leave open are gathered, and a vector of them is decided at once:
   a lane is then the block that one of them owns. */
#ifndef MD_MASK_H
#define MD_MASK_H

#include "open_words.h"

enum { MASK_ITEM = 1 << 16 };            /* elements of an item of the parallel loop */

/* ---- decisions ---- */

typedef struct {
    cipher cipher, late;
    uint32_t digits[FIRST_DIGITS];   /* of the threshold: a word of ones for a 1 */
    uint32_t later;                  /* its digits behind them, on top of a word; 0: it has none */
    int vectors;                     /* of a chunk; 0: every bit is `all` */
    int words;                       /* of bits that a superblock decides */
    uint32_t all;
} mask_law;

static mask_law mask_law_of(const md_stream *s, uint64_t threshold)
{
    mask_law law = {.cipher = cipher_of(s, 0), .all = threshold ? ~(uint32_t)0 : 0};
    if ((uint32_t)threshold) law.vectors = rng_vectors_per_chunk((uint32_t)threshold);
    law.words = SUPERBLOCK_WORDS / (int)larger(1, law.vectors);
    for (int i = 0; i < FIRST_DIGITS; i++) law.digits[i] = -(uint32_t)(threshold >> (31 - i) & 1);
    law.later = (uint32_t)threshold << FIRST_DIGITS;
    if (law.later) law.late = cipher_of(s, 1);
    return law;
}

/* Whether U < threshold, from n digits of each; in `open`, where all n are the same. */
INLINE vu less_than(const vu *u, const uint32_t *threshold, int n, vu *open)
{
    vu less = {0}, differ = {0};
    for (int i = n - 1; i >= 0; i--) {
        const vu digit = set1u(threshold[i]), other = u[i] ^ digit;
        less ^= (less ^ digit) & other;    /* the digit of the threshold, where u has another */
        differ |= other;
    }
    *open = ~differ;
    return less;
}

/* What group g of a superblock's words says of its chunks, of `vectors` vectors each, to the words
   of a strip from `at` on. open, where wanted: gets those where all digits are the threshold's. */
INLINE void decide_group(uint32_t *bits, int at, open_words *open, const vu *x, int g, int vectors,
                         const uint32_t *threshold)
{
    for (int v = 0; v < BLOCK_WORDS; v += vectors) {
        const int word = at + v / vectors * CHUNK_WORDS + g * WORD_LANES;
        vu same;
        storeu(bits + word, less_than(x + v, threshold, vectors, &same));
        if (open) append_open(open, same, lane_words() + set1u((uint32_t)word));
    }
}

/* Words of a strip that are selected while a vector of blocks of the next is drawn. Where there are
   later digits, the elements that the first ones leave open need a lane each. */
INLINE int words_beside(int vectors)
{
    const int late = vectors < FIRST_DIGITS ? 0 : (STRIP >> FIRST_DIGITS) / WORD_LANES;
    return STRIP_WORDS / (SIDE * vectors * WORD_GROUPS + late);
}

/* The chunks of a superblock, or of two that are drawn side by side; vectors and side are to be
   constants, and so is whether there is a `beside`. */
INLINE void decide(uint32_t *bits, int at, open_words *open, const cipher *c, uint64_t number,
                   int vectors, const uint32_t *threshold, const int side, selection *beside)
{
    const int words = SUPERBLOCK_WORDS / vectors;
    for (int g = 0; g < WORD_GROUPS; g++) {
        vu x[BLOCK_WORDS], y[BLOCK_WORDS];
        draw(x, side > 1 ? y : NULL, c, number, g, beside, words_beside(vectors));
        decide_group(bits, at, open, x, g, vectors, threshold);
        if (side > 1) decide_group(bits, at + words, open, y, g, vectors, threshold);
    }
}

INLINE void fill_words(uint32_t *words, uint32_t word, int n)
{
    for (int i = 0; i < n; i++) words[i] = word;
}

/* Superblock `number` of those that a law draws, and the next where two go by side by side. */
INLINE void decide_superblocks(uint32_t *bits, int at, open_words *open, const mask_law *law,
                               uint64_t number, const int side, selection *beside)
{
    const cipher *c = &law->cipher;
    const uint32_t *t = law->digits;
    switch (law->vectors) {
    case 0: fill_words(bits + at, law->all, side * law->words); break;
    case 1: decide(bits, at, NULL, c, number, 1, t, side, beside); break;
    case 2: decide(bits, at, NULL, c, number, 2, t, side, beside); break;
    case 4: decide(bits, at, NULL, c, number, 4, t, side, beside); break;
    default: decide(bits, at, open, c, number, 8, t, side, beside);
    }
}

/* Decide the open elements of a strip by their later digits, a vector of words at a time: of each
   its first, and what is left of it goes back to the others. */
INLINE void decide_open(uint32_t *bits, open_words *open, const mask_law *law, uint64_t strip,
                        selection *beside)
{
    while (open->n > WORD_LANES) {
        vu at;
        const vu elements = take_open(open, &at), first = elements & -elements;
        const vu element = at * set1u(32) + bit_number(first);
        const block_numbers number = {element + set1u((uint32_t)(strip * STRIP)),
                                      set1u((uint32_t)(strip * STRIP >> 32))};
        vu x[BLOCK_WORDS];
        blocks(x, NULL, &law->late, &number, beside, words_beside(FIRST_DIGITS));
        const vu kept = (vu)(x[0] < set1u(law->later)) & first;
        for (int i = 0; i < WORD_LANES; i++) bits[at[i]] |= kept[i];
        append_open(open, elements ^ first, at);
    }
}

/* The bits of a strip: of its superblocks from .. to. */
INLINE void strip_bits(uint32_t bits[STRIP_WORDS], const mask_law *law, uint64_t strip, int from,
                       int to, selection *beside)
{
    open_words open;
    no_open_words(&open, from * law->words);
    for (int s = from, side; s < to; s += side) {
        const uint64_t number = strip * (uint64_t)(SIDE * law->vectors) + (uint64_t)s;
        const int at = s * law->words;
        side = !beside && s + SIDE <= to ? SIDE : 1;
        if (side < SIDE) decide_superblocks(bits, at, &open, law, number, 1, beside);
        else decide_superblocks(bits, at, &open, law, number, SIDE, beside);
    }
    if (law->later) decide_open(bits, &open, law, strip, beside);
}

/* draw_strip, or draw_strip_beside where there is a selection. */
INLINE ptrdiff_t draw_strip_and(uint32_t bits[STRIP_WORDS + 1], const mask_law *law,
                                uint64_t first, ptrdiff_t n, selection *beside)
{
    const ptrdiff_t before = (ptrdiff_t)(first % STRIP), skip = before / 32;
    const ptrdiff_t decided = 32 * law->words;               /* by a superblock */
    const int shift = (int)(before % 32);
    n = smaller(n, STRIP - before);
    strip_bits(bits, law, first / STRIP, (int)(before / decided),
               (int)ceil_div(before + n, decided), beside);
    if (before) {
        bits[STRIP_WORDS] = 0;
        for (ptrdiff_t i = 0; i < ceil_div(n, 32); i++) {
            const uint64_t two = (uint64_t)bits[i + skip + 1] << 32 | bits[i + skip];
            bits[i] = (uint32_t)(two >> shift);
        }
    }
    if (n % 32) bits[n / 32] &= ((uint32_t)1 << n % 32) - 1;
    return n;
}

/* Bits of the mask from element `first` to the end of its strip, or n of them: element `first` is
   bit 0, and the last word ends in zeros. Returns how many. */
static ptrdiff_t draw_strip(uint32_t bits[STRIP_WORDS + 1], const mask_law *law, uint64_t first,
                            ptrdiff_t n)
{
    return draw_strip_and(bits, law, first, n, NULL);
}

/* The same, while a selection goes on. Not where registers are few and most of the time goes into
   drawing. */
static ptrdiff_t draw_strip_beside(uint32_t bits[STRIP_WORDS + 1], const mask_law *law,
                                   uint64_t first, ptrdiff_t n, selection *beside)
{
    if (SIDE == 1 && law->vectors == FIRST_DIGITS) return draw_strip(bits, law, first, n);
    selection own = *beside;                                 /* in registers */
    n = draw_strip_and(bits, law, first, n, &own);
    *beside = own;
    return n;
}

/* Append n bits behind the `at` that stand in `bits`; both end in zeros to the end of a word. */
static void append_bits(uint32_t *bits, ptrdiff_t at, const uint32_t *more, ptrdiff_t n)
{
    const int shift = (int)(at % 32);
    const ptrdiff_t words = ceil_div(n, 32), last = (at + n - 1) / 32 - at / 32;
    bits += at / 32;
    if (shift == 0) memcpy(bits, more, (size_t)words * sizeof *bits);
    else
        for (ptrdiff_t i = 0; i < words; i++) {
            bits[i] |= more[i] << shift;
            if (i < last) bits[i + 1] = more[i] >> (32 - shift);
        }
}

/* ---- the kernels ---- */

typedef struct { uint32_t *bits; ptrdiff_t n; uint64_t first; mask_law law; } mask_work;

static void mask_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const mask_work *w = context;
    const ptrdiff_t end = smaller(w->n, (item + 1) * MASK_ITEM);
    for (ptrdiff_t i = item * MASK_ITEM, m; i < end; i += m) {
        uint32_t strip[STRIP_WORDS + 1];
        m = draw_strip(strip, &w->law, w->first + (uint64_t)i, end - i);
        append_bits(w->bits, i, strip, m);
    }
}

/* Nanoseconds to draw n elements, about. */
INLINE double mask_cost(const mask_law *law, ptrdiff_t n)
{
    return (double)n * (0.015 * law->vectors + (law->later ? 0.06 : 0.005));
}

static void mask_bits(uint32_t *bits, ptrdiff_t n, const md_stream *s, uint64_t first,
                      uint64_t threshold)
{
    mask_work w = {bits, n, first, mask_law_of(s, threshold)};
    md_parallel_for(ceil_div(n, MASK_ITEM), mask_cost(&w.law, n), mask_item, &w);
}

static void random_words(uint32_t *words, ptrdiff_t n, const md_stream *s, uint64_t first)
{
    const cipher c = cipher_of(s, 0);
    for (ptrdiff_t i = 0, m; i < n; i += m) {
        const uint64_t w = first + (uint64_t)i;
        const ptrdiff_t from = (ptrdiff_t)(w % SUPERBLOCK_WORDS);
        uint32_t super[SUPERBLOCK_WORDS];
        superblock(super, &c, w / SUPERBLOCK_WORDS);
        m = smaller(SUPERBLOCK_WORDS - from, n - i);
        memcpy(words + i, super + from, (size_t)m * sizeof *words);
    }
}

#endif
