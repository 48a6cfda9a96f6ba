/* Masks: random bits of ChaCha8, made into decisions 512 at a time.

   rng.h says which bits; this file how fast. A lane of a register is a block, so the rounds are
   adds, xors and rotates of whole vectors, and no word ever moves to another lane. Comparing U with
   the threshold is bit-sliced: a vector holds one binary digit of 512 different U, so that a digit
   of the threshold costs a few logical operations for all of them. From the last digit to the
   first, where the two digits differ, U is less if the threshold's is the 1; where they are the
   same, it stays as the later digits have it. No branches: p is data like any other. Where p has
   more digits, the few elements that the first eight leave open are gathered, and a vector of them
   is decided at once: a lane is then the block that one of them owns. */
#ifndef MD_MASK_H
#define MD_MASK_H

#include "../rng.h"
#include "../vec.h"

enum {
    WORD_LANES = VB / 4,                 /* 32-bit lanes of a vector */
    WORD_GROUPS = 16 / WORD_LANES,       /* vectors that make up 512 bits */
    STRIP = 16 * MASK_CHUNK,             /* elements that are decided together */
    STRIP_WORDS = STRIP / 32,
    MASK_ITEM = 1 << 16                  /* elements of an item of the parallel loop */
};

INLINE void storeu(uint32_t *p, vu v) { *(vu_any *)p = v; }
INLINE vu set1u(uint32_t x) { return x - (vu){0}; }

/* Each word turned left by n bits, n constant. AVX-512 has this; AVX2 can move whole bytes. */
INLINE vu rotate(vu x, int n)
{
#if defined(MD_AVX2)
    typedef uint8_t vb __attribute__((vector_size(VB)));
    const vb b = (vb)x;
    if (n == 16)
        return (vu)__builtin_shufflevector(b, b, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12,
                                           13, 18, 19, 16, 17, 22, 23, 20, 21, 26, 27, 24, 25, 30,
                                           31, 28, 29);
    if (n == 8)
        return (vu)__builtin_shufflevector(b, b, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13,
                                           14, 19, 16, 17, 18, 23, 20, 21, 22, 27, 24, 25, 26, 31,
                                           28, 29, 30);
#endif
    return x << n | x >> (32 - n);
}

/* Two quarter-rounds, one step of each in turn: a core works on both chains at once. */
INLINE void quarter_rounds(vu x[BLOCK_WORDS], int a, int b, int c, int d, int e, int f, int g,
                           int h)
{
    x[a] += x[b], x[e] += x[f];
    x[d] = rotate(x[d] ^ x[a], 16), x[h] = rotate(x[h] ^ x[e], 16);
    x[c] += x[d], x[g] += x[h];
    x[b] = rotate(x[b] ^ x[c], 12), x[f] = rotate(x[f] ^ x[g], 12);
    x[a] += x[b], x[e] += x[f];
    x[d] = rotate(x[d] ^ x[a], 8), x[h] = rotate(x[h] ^ x[e], 8);
    x[c] += x[d], x[g] += x[h];
    x[b] = rotate(x[b] ^ x[c], 7), x[f] = rotate(x[f] ^ x[g], 7);
}

/* The first round turns four columns, of which only 0 and 1 hold the number of the block. */
INLINE void columns_0_1(vu x[BLOCK_WORDS]) { quarter_rounds(x, 0, 4, 8, 12, 1, 5, 9, 13); }
INLINE void columns_2_3(vu x[BLOCK_WORDS]) { quarter_rounds(x, 2, 6, 10, 14, 3, 7, 11, 15); }
INLINE void diagonals(vu x[BLOCK_WORDS])
{
    quarter_rounds(x, 0, 5, 10, 15, 1, 6, 11, 12);
    quarter_rounds(x, 2, 7, 8, 13, 3, 4, 9, 14);
}

/* What all blocks of a stream share: the state, and the state with columns 2 and 3 turned. */
typedef struct { vu state[BLOCK_WORDS], begun[BLOCK_WORDS]; } cipher;

static cipher cipher_of(const md_stream *s, int part)
{
    uint32_t state[BLOCK_WORDS];
    cipher c;
    rng_state(state, s, part);
    for (int i = 0; i < BLOCK_WORDS; i++) c.begun[i] = c.state[i] = set1u(state[i]);
    columns_2_3(c.begun);
    return c;
}

/* The blocks whose numbers have these lower and upper halves: x[v] is word v of each. */
INLINE void blocks(vu x[BLOCK_WORDS], const cipher *s, vu low, vu high)
{
    for (int i = 0; i < BLOCK_WORDS; i++) x[i] = s->begun[i];
    x[12] = low;
    x[13] = high;
    columns_0_1(x);
    diagonals(x);
#pragma GCC unroll 4
    for (int r = 1; r < DOUBLE_ROUNDS; r++) columns_0_1(x), columns_2_3(x), diagonals(x);
    for (int i = 0; i < BLOCK_WORDS; i++)
        x[i] += i == 12 ? low : i == 13 ? high : s->state[i];
}

/* Group g of superblock `number`: WORD_LANES of its 16 blocks, the 16 words of each. */
INLINE void draw(vu x[BLOCK_WORDS], const cipher *s, uint64_t number, int g)
{
    const uint64_t block = number * BLOCKS + (uint64_t)(g * WORD_LANES);
    vu lane;
    for (int i = 0; i < WORD_LANES; i++) lane[i] = (uint32_t)i;
    blocks(x, s, lane + set1u((uint32_t)block), set1u((uint32_t)(block >> 32)));
}

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
    law.words = STRIP_WORDS / (int)larger(1, law.vectors);
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

/* The chunks of a superblock that own `vectors` vectors each; to be called with a constant.
   open, where wanted: where all digits are the threshold's. */
INLINE void decide(uint32_t *bits, uint32_t *open, const cipher *c, uint64_t number, int vectors,
                   const uint32_t *threshold)
{
    for (int g = 0; g < WORD_GROUPS; g++) {
        vu x[BLOCK_WORDS], same;
        draw(x, c, number, g);
        for (int v = 0; v < BLOCK_WORDS; v += vectors) {
            const int at = v / vectors * CHUNK_WORDS + g * WORD_LANES;
            storeu(bits + at, less_than(x + v, threshold, vectors, &same));
            if (open) storeu(open + at, same);
        }
    }
}

/* Which words of a vector are not 0: bit i is lane i. */
INLINE uint32_t not_zero(vu v)
{
#if defined(MD_AVX512)
    return _mm512_test_epi32_mask((__m512i)v, (__m512i)v);
#elif defined(MD_AVX2)
    return 0xff ^ (uint32_t)_mm256_movemask_ps((__m256)(v == 0));
#else
    uint32_t bits = 0;
    for (int i = 0; i < WORD_LANES; i++) bits |= (uint32_t)(v[i] != 0) << i;
    return bits;
#endif
}

/* The elements of a strip that are 1 in words from .. to of `open`; returns how many. One word in
   eight has an element, and few have two. */
INLINE int open_elements(uint16_t e[STRIP], const uint32_t *open, int from, int to)
{
    uint64_t some[STRIP_WORDS / 64] = {0};
    int n = 0;
    for (int i = from; i < to; i += WORD_LANES)
        some[i / 64] |= (uint64_t)not_zero(*(const vu_any *)(open + i)) << i % 64;
    for (int i = 0; i < STRIP_WORDS; i += 64)
        for (uint64_t words = some[i / 64]; words; words &= words - 1) {
            const int word = i + __builtin_ctzll(words);
            uint32_t left = open[word];
            do e[n++] = (uint16_t)(word * 32 + __builtin_ctz(left));
            while (left &= left - 1);
        }
    return n;
}

/* Decide a vector of elements of a strip by their later digits. */
INLINE void decide_late(uint32_t *bits, const mask_law *law, uint64_t strip, const uint16_t *e)
{
    vu x[BLOCK_WORDS], number;
    for (int i = 0; i < WORD_LANES; i++) number[i] = e[i];
    number += set1u((uint32_t)(strip * STRIP));
    blocks(x, &law->late, number, set1u((uint32_t)(strip * STRIP >> 32)));
    const vu less = (vu)(x[0] < set1u(law->later));
    for (int i = 0; i < WORD_LANES; i++) bits[e[i] / 32] |= (less[i] & 1) << e[i] % 32;
}

/* The bits of a strip: of its superblocks from .. to. */
static void strip_bits(uint32_t bits[STRIP_WORDS], const mask_law *law, uint64_t strip, int from,
                       int to)
{
    const int words = law->words;
    uint32_t open[STRIP_WORDS];
    for (int s = from; s < to; s++) {
        const uint64_t number = strip * (uint64_t)law->vectors + (uint64_t)s;
        uint32_t *to_bits = bits + s * words;
        switch (law->vectors) {
        case 0: for (int i = 0; i < words; i++) to_bits[i] = law->all; break;
        case 1: decide(to_bits, NULL, &law->cipher, number, 1, law->digits); break;
        case 2: decide(to_bits, NULL, &law->cipher, number, 2, law->digits); break;
        case 4: decide(to_bits, NULL, &law->cipher, number, 4, law->digits); break;
        default: decide(to_bits, open + s * words, &law->cipher, number, 8, law->digits);
        }
    }
    if (law->later == 0) return;
    uint16_t e[STRIP + WORD_LANES];
    int n = open_elements(e, open, from * words, to * words);
    for (; n % WORD_LANES; n++) e[n] = e[n - 1];             /* once more changes nothing */
    for (int i = 0; i < n; i += WORD_LANES) decide_late(bits, law, strip, e + i);
}

/* Bits of the mask from element `first` to the end of its strip, or n of them: element `first` is
   bit 0, and the last word ends in zeros. Returns how many. */
static ptrdiff_t draw_strip(uint32_t bits[STRIP_WORDS + 1], const mask_law *law, uint64_t first,
                            ptrdiff_t n)
{
    const ptrdiff_t before = (ptrdiff_t)(first % STRIP), skip = before / 32;
    const ptrdiff_t decided = 32 * law->words;               /* by a superblock */
    const int shift = (int)(before % 32);
    n = smaller(n, STRIP - before);
    strip_bits(bits, law, first / STRIP, (int)(before / decided),
               (int)ceil_div(before + n, decided));
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

/* The words of a superblock, in the order of the stream. */
INLINE void superblock(uint32_t words[SUPERBLOCK_WORDS], const cipher *s, uint64_t number)
{
    for (int g = 0; g < WORD_GROUPS; g++) {
        vu x[BLOCK_WORDS];
        draw(x, s, number, g);
        for (int v = 0; v < BLOCK_WORDS; v++) storeu(words + v * BLOCKS + g * WORD_LANES, x[v]);
    }
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
