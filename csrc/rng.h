/* The counter-based generator: ChaCha with 8 rounds (Bernstein 2008), original layout. A random bit
   is a function of its address alone, so any part of a stream can be drawn by anyone, in any order.
   What follows is frozen: golden hashes in the tests hold it.

   The state of a block, 16 words of 32 bits, little end first:

      word  0 ..  3   "expand 32-byte k"
            4,  5     seed
            6,  7     stream          (in the framework: which layer)
            8         domain          (what is drawn: 0 for masks, so that kinds never share bits)
            9         part            (1 for the later digits of a mask, else 0)
           10, 11     0
           12, 13     number of the block
           14, 15     call            (in the framework: which training forward)

   A superblock is 16 blocks side by side, left interleaved as they come out of vector registers:

                 lane 0     lane 1           lane 15
               +----------+----------+-----+----------+
      vector 0 | word  0  | word  0  | ... | word  0  |       lane l of superblock s
      vector 1 | word  1  | word  1  | ... | word  1  |       is block 16 s + l
         ...   |   ...    |   ...    |     |   ...    |
      vector 15| word 15  | word 15  | ... | word 15  |
               +----------+----------+-----+----------+

   The stream is the sequence of these vectors of 512 bits: number 16 s + v is vector v of
   superblock s. Words are counted along it: word w of the stream is lane w % 16 of vector w / 16.

   A mask keeps an element where U < keep. U is a binary fraction of 32 random digits, the most
   significant first; keep = threshold / 2^32. Elements come in chunks of 512: element e is number
   i = e % 512 of chunk e / 512, and stands in lane i / 32, bit i % 32 of each of the D vectors that
   the chunk owns, D b .. D b + D - 1 for chunk b. Each vector gives every element one digit of U.

   D is the least of 1, 2, 4 and 8 that has room for the digits of keep up to its last 1; later
   digits of U change nothing, and are not drawn. So p = 0.5 costs one random bit an element, and
   p = 0.25 two. Where keep has more than 8 digits, as for p = 0.1, the first 8 decide all elements
   but one of 256; for element e the other 24 are the upper bits of word 0 of block e of part 1.
   keep = 0 and keep = 1 draw nothing.

   Normal numbers (domain 9) come 1024 from three superblocks, by Box and Muller (1958). Word i of
   them, i < 512, is a; b is the lower half of word 512 + i where i < 256, else the upper half of
   word 256 + i. With u = (a mod 2^31 + 1/2) / 2^31 and t = (2^16 b + a mod 2^16) / 2^32, less 1 if
   that is 1/2 or more, number i is r cos(pi t) and number 512 + i is r sin(pi t), where r is
   sqrt(-2 log u), or its negative if a is 2^31 or more. The last 16 bits of a serve twice, where
   they move u by less than 2^-15 and t by less than 2^-16: what leads in both is independent. */
#ifndef MD_RNG_H
#define MD_RNG_H

#include <stdint.h>
#include <string.h>

#include "minidrop.h"

enum {
    BLOCK_WORDS = 16,
    BLOCKS = 16,                             /* of a superblock */
    SUPERBLOCK_WORDS = BLOCK_WORDS * BLOCKS,
    MASK_CHUNK = 512,                        /* elements that one vector gives a digit to */
    CHUNK_WORDS = MASK_CHUNK / 32
};

/* The state of block 0 of a part of a stream. */
static inline void rng_state(uint32_t state[BLOCK_WORDS], const md_stream *s, int part)
{
    const uint32_t words[BLOCK_WORDS] = {
        0x61707865, 0x3320646e, 0x79622d32, 0x6b206574,
        (uint32_t)s->seed, (uint32_t)(s->seed >> 32),
        (uint32_t)s->stream, (uint32_t)(s->stream >> 32),
        s->domain, (uint32_t)part, 0, 0,
        0, 0, (uint32_t)s->call, (uint32_t)(s->call >> 32)};
    memcpy(state, words, sizeof words);
}

/* The rounds, on words or on vectors of words. `rotate(x, n)` turns each word left by n bits. */
#define QUARTER_ROUND(rotate, a, b, c, d) \
    (a += b, d = rotate(d ^ a, 16), c += d, b = rotate(b ^ c, 12), \
     a += b, d = rotate(d ^ a, 8), c += d, b = rotate(b ^ c, 7))

#define DOUBLE_ROUND(rotate, x) \
    (QUARTER_ROUND(rotate, x[0], x[4], x[8], x[12]), \
     QUARTER_ROUND(rotate, x[1], x[5], x[9], x[13]), \
     QUARTER_ROUND(rotate, x[2], x[6], x[10], x[14]), \
     QUARTER_ROUND(rotate, x[3], x[7], x[11], x[15]), \
     QUARTER_ROUND(rotate, x[0], x[5], x[10], x[15]), \
     QUARTER_ROUND(rotate, x[1], x[6], x[11], x[12]), \
     QUARTER_ROUND(rotate, x[2], x[7], x[8], x[13]), \
     QUARTER_ROUND(rotate, x[3], x[4], x[9], x[14]))

enum { DOUBLE_ROUNDS = 4, FIRST_DIGITS = 8 };

/* D: how many vectors a chunk owns, for 0 < threshold < 2^32. */
static inline int rng_vectors_per_chunk(uint32_t threshold)
{
    const int digits = 32 - __builtin_ctz(threshold);
    int vectors = 1;
    while (vectors < digits && vectors < FIRST_DIGITS) vectors *= 2;
    return vectors;
}

#endif
