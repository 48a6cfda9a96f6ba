/* Masks by the book: block by block, element by element, digit by digit. */
#include "../rng.h"

#define ROTATE(x, n) ((x) << (n) | (x) >> (32 - (n)))

static void reference_block(uint32_t out[BLOCK_WORDS], const md_stream *s, int part,
                            uint64_t number)
{
    uint32_t start[BLOCK_WORDS];
    rng_state(start, s, part);
    start[12] = (uint32_t)number;
    start[13] = (uint32_t)(number >> 32);
    memcpy(out, start, sizeof start);
    for (int r = 0; r < DOUBLE_ROUNDS; r++) DOUBLE_ROUND(ROTATE, out);
    for (int i = 0; i < BLOCK_WORDS; i++) out[i] += start[i];
}

/* Words 0 .. 255 of a superblock. */
static void reference_superblock(uint32_t words[BLOCK_WORDS * BLOCKS], const md_stream *s,
                                 uint64_t number)
{
    for (int lane = 0; lane < BLOCKS; lane++) {
        uint32_t block[BLOCK_WORDS];
        reference_block(block, s, 0, number * BLOCKS + (uint64_t)lane);
        for (int v = 0; v < BLOCK_WORDS; v++) words[v * BLOCKS + lane] = block[v];
    }
}

static void random_words(uint32_t *words, ptrdiff_t n, const md_stream *s, uint64_t first)
{
    uint32_t super[BLOCK_WORDS * BLOCKS];
    for (ptrdiff_t i = 0; i < n; i++) {
        const uint64_t w = first + (uint64_t)i;
        if (i == 0 || w % 256 == 0) reference_superblock(super, s, w / 256);
        words[i] = super[w % 256];
    }
}

/* The 32 digits of U after the first 8, of which the last 8 change nothing. */
static uint32_t later_digits(const md_stream *s, uint64_t element)
{
    uint32_t block[BLOCK_WORDS];
    reference_block(block, s, 1, element);
    return block[0];
}

static void mask_bits(uint32_t *bits, ptrdiff_t n, const md_stream *s, uint64_t first,
                      uint64_t threshold)
{
    const int constant = threshold == 0 || threshold >> 32;
    const int vectors = constant ? 0 : rng_vectors_per_chunk((uint32_t)threshold);
    uint32_t chunk[FIRST_DIGITS * CHUNK_WORDS];
    memset(bits, 0, (size_t)((n + 31) / 32) * sizeof *bits);
    for (ptrdiff_t i = 0; i < n; i++) {
        const uint64_t e = first + (uint64_t)i, c = e / MASK_CHUNK;
        if (i == 0 || e % MASK_CHUNK == 0)
            random_words(chunk, vectors * CHUNK_WORDS, s, c * (uint64_t)vectors * CHUNK_WORDS);
        uint64_t u = 0;
        for (int v = 0; v < vectors; v++)
            u |= (uint64_t)(chunk[v * CHUNK_WORDS + e % MASK_CHUNK / 32] >> e % 32 & 1) << (31 - v);
        const int open = !constant && u >> (32 - FIRST_DIGITS) == threshold >> (32 - FIRST_DIGITS);
        if (open) u |= later_digits(s, e) >> FIRST_DIGITS;
        bits[i / 32] |= (uint32_t)(u < threshold) << i % 32;
    }
}
