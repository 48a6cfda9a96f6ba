/* ChaCha8 (rng.h) in vectors: a lane of a register is a block, so the rounds are adds, xors and
   rotates of whole vectors, and no word ever moves to another lane.

   Every step of a quarter-round waits for the one before, two cycles on some cores. So two quarter-
   rounds go by in turn, and where there are registers for it those of a second vector of blocks
   beside them: a core always finds a step that need not wait. */
#ifndef MD_CIPHER_H
#define MD_CIPHER_H

#include "../rng.h"
#include "select.h"

enum {
    WORD_LANES = VB / 4,                 /* 32-bit lanes of a vector */
    WORD_GROUPS = 16 / WORD_LANES        /* vectors that make up 512 bits */
};
#if defined(MD_AVX512)
enum { SIDE = 2 };                       /* vectors of blocks that are drawn side by side */
/* The compiler would order the steps of one behind those of the other. */
#define IN_TURN(v, w) __asm__ volatile("" : "+v"(v), "+v"(w))
#else
enum { SIDE = 1 };
#define IN_TURN(v, w) ((void)0)
#endif

INLINE vu loadu(const uint32_t *p) { return *(const vu_any *)p; }
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

/* Steps of two quarter-rounds: a += b, d = (d ^ a) turned left by n bits, and e, f, h alike. x: the
   words of a vector of blocks; y: those of the vector beside it, or NULL, a constant. */
INLINE void turn_in(vu *x, vu *y, int a, int b, int d, int e, int f, int h, int n)
{
    x[a] += x[b], x[e] += x[f];
    if (y) y[a] += y[b], y[e] += y[f];
    x[d] = rotate(x[d] ^ x[a], n), x[h] = rotate(x[h] ^ x[e], n);
    if (!y) return;
    y[d] = rotate(y[d] ^ y[a], n), y[h] = rotate(y[h] ^ y[e], n);
    IN_TURN(x[d], x[h]);
    IN_TURN(y[d], y[h]);
}

INLINE void quarter_rounds(vu *x, vu *y, int a, int b, int c, int d, int e, int f, int g, int h)
{
    turn_in(x, y, a, b, d, e, f, h, 16);
    turn_in(x, y, c, d, b, g, h, f, 12);
    turn_in(x, y, a, b, d, e, f, h, 8);
    turn_in(x, y, c, d, b, g, h, f, 7);
}

/* The first round turns four columns, of which only 0 and 1 hold the number of the block. */
INLINE void columns_0_1(vu *x, vu *y) { quarter_rounds(x, y, 0, 4, 8, 12, 1, 5, 9, 13); }
INLINE void columns_2_3(vu *x, vu *y) { quarter_rounds(x, y, 2, 6, 10, 14, 3, 7, 11, 15); }
INLINE void diagonals(vu *x, vu *y)
{
    quarter_rounds(x, y, 0, 5, 10, 15, 1, 6, 11, 12);
    quarter_rounds(x, y, 2, 7, 8, 13, 3, 4, 9, 14);
}

/* What all blocks of a stream share: the state, and the state with columns 2 and 3 turned. */
typedef struct { vu state[BLOCK_WORDS], begun[BLOCK_WORDS]; } cipher;

static cipher cipher_of(const md_stream *s, int part)
{
    uint32_t state[BLOCK_WORDS];
    cipher c;
    rng_state(state, s, part);
    for (int i = 0; i < BLOCK_WORDS; i++) c.begun[i] = c.state[i] = set1u(state[i]);
    columns_2_3(c.begun, NULL);
    return c;
}

/* The numbers of a vector of blocks, their lower halves and their upper ones. */
typedef struct { vu low, high; } block_numbers;

INLINE void begin_blocks(vu *x, const cipher *s, const block_numbers *n)
{
    for (int i = 0; i < BLOCK_WORDS; i++) x[i] = s->begun[i];
    x[12] = n->low;
    x[13] = n->high;
}
INLINE void finish_blocks(vu *x, const cipher *s, const block_numbers *n)
{
    for (int i = 0; i < BLOCK_WORDS; i++)
        x[i] += i == 12 ? n->low : i == 13 ? n->high : s->state[i];
}

enum { ROUNDS = 2 * DOUBLE_ROUNDS };
INLINE void chacha_round(vu *x, vu *y, int r)
{
    if (r % 2) {
        diagonals(x, y);
    } else {
        columns_0_1(x, y);
        if (r) columns_2_3(x, y);        /* begin_blocks has them turned */
    }
}

/* The blocks of these numbers: x[v] is word v of each. With y, also those of n[1]. With `beside`,
   so many words of it are selected meanwhile, in one place of the code: it is by the place that a
   processor learns what will be loaded next. */
INLINE void blocks(vu *x, vu *y, const cipher *s, const block_numbers *n, selection *beside,
                   ptrdiff_t words)
{
    begin_blocks(x, s, n);
    if (y) begin_blocks(y, s, n + 1);
    if (beside)
        MD_ROLLED for (int r = 0; r < ROUNDS; r++) {
            chacha_round(x, y, r);
            select_piece(beside, words, r, ROUNDS);
        }
    else
        MD_UNROLLED for (int r = 0; r < ROUNDS; r++) chacha_round(x, y, r);
    finish_blocks(x, s, n);
    if (y) finish_blocks(y, s, n + 1);
}

INLINE vu lane_words(void)               /* 0, 1, 2 .. */
{
    vu lane;
    for (int i = 0; i < WORD_LANES; i++) lane[i] = (uint32_t)i;
    return lane;
}
INLINE block_numbers numbers_from(uint64_t block)
{
    return (block_numbers){lane_words() + set1u((uint32_t)block), set1u((uint32_t)(block >> 32))};
}

/* Group g of superblock `number`: WORD_LANES of its 16 blocks, the 16 words of each. With y, also
   those of the next. */
INLINE void draw(vu *x, vu *y, const cipher *s, uint64_t number, int g, selection *beside,
                 ptrdiff_t words)
{
    const uint64_t block = number * BLOCKS + (uint64_t)(g * WORD_LANES);
    const block_numbers n[2] = {numbers_from(block), numbers_from(block + BLOCKS)};
    blocks(x, y, s, n, beside, words);
}

/* The words of a superblock, in the order of the stream. */
INLINE void superblock(uint32_t words[SUPERBLOCK_WORDS], const cipher *s, uint64_t number)
{
    for (int g = 0; g < WORD_GROUPS; g++) {
        vu x[BLOCK_WORDS];
        draw(x, NULL, s, number, g, NULL, 0);
        for (int v = 0; v < BLOCK_WORDS; v++) storeu(words + v * BLOCKS + g * WORD_LANES, x[v]);
    }
}

#endif
