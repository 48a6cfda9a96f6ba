/* The elements of a strip that the first digits leave open: a list of the words of bits that have
   some. It is made and taken from a vector at a time, so that no branch depends on what was drawn
   (AVX-512; the others loop over the words that have some). */
#ifndef MD_OPEN_WORDS_H
#define MD_OPEN_WORDS_H

#include "cipher.h"

enum {
    STRIP = 16 * SIDE * MASK_CHUNK,      /* elements that are decided together: by SIDE superblocks
                                            for each of a chunk's vectors */
    STRIP_WORDS = STRIP / 32
};

typedef int32_t signed_words __attribute__((vector_size(VB)));
typedef float word_floats __attribute__((vector_size(VB)));

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

/* Words of a strip that have open elements: which those are, and where the word stands. The first
   WORD_LANES have none, where some word that is drawn stands; they fill up a vector that is not
   full. */
typedef struct {
    uint32_t elements[STRIP_WORDS + 2 * WORD_LANES], at[STRIP_WORDS + 2 * WORD_LANES];
    int n;
} open_words;

INLINE void no_open_words(open_words *o, int drawn)
{
    o->n = WORD_LANES;
    storeu(o->elements, set1u(0)), storeu(o->at, set1u((uint32_t)drawn));
}

/* Append those words of a vector that are not 0. */
INLINE void append_open(open_words *o, vu elements, vu at)
{
#if defined(MD_AVX512)
    const __mmask16 some = (__mmask16)not_zero(elements);
    storeu(o->elements + o->n, (vu)_mm512_maskz_compress_epi32(some, (__m512i)elements));
    storeu(o->at + o->n, (vu)_mm512_maskz_compress_epi32(some, (__m512i)at));
    o->n += __builtin_popcount(some);
#else
    for (uint32_t some = not_zero(elements); some; some &= some - 1) {
        const int lane = __builtin_ctz(some);
        o->elements[o->n] = elements[lane], o->at[o->n++] = at[lane];
    }
#endif
}

/* Take a vector of words off the end, and where they stand. */
INLINE vu take_open(open_words *o, vu *at)
{
    const int from = o->n - WORD_LANES;
    o->n = (int)larger(from, WORD_LANES);
    *at = loadu(o->at + from);
    return loadu(o->elements + from);
}

/* Which bit of a word is 1, of words that have one: the exponent of such a number. */
INLINE vu bit_number(vu words)
{
    const vu floats = (vu)__builtin_convertvector((signed_words)words, word_floats);
    return ((floats >> 23) - set1u(127)) & set1u(31);
}

#endif
