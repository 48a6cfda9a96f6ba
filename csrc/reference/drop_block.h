/* Seed by seed, pixel by pixel. */
static ptrdiff_t drop_block_scratch(const md_blocks *g)
{
    (void)g;
    return 0;
}

static void drop_block_backward(real *dx, const real *dout, const uint32_t *bits,
                                const real *scales, const md_blocks *g)
{
    const ptrdiff_t c = g->shared ? 1 : g->c, words = (g->w * c + 31) / 32;
    for (ptrdiff_t e = 0; e < g->n * g->h * g->w * g->c; e++) {
        const ptrdiff_t channel = e % g->c, pixel = e / g->c, row = pixel / g->w;
        const ptrdiff_t bit = pixel % g->w * c + channel % c;
        const int kept = bits[row * words + bit / 32] >> bit % 32 & 1;
        dx[e] = kept ? dout[e] * scales[row / g->h] : 0;
    }
}

static void drop_block_forward(real *y, uint32_t *bits, real *scales, const real *x,
                               const md_blocks *g, const md_stream *s, uint64_t first,
                               uint64_t threshold, uint32_t *scratch)
{
    const ptrdiff_t c = g->shared ? 1 : g->c, words = (g->w * c + 31) / 32;
    const ptrdiff_t down = g->h - g->block + 1, across = (g->w - g->block + 1) * c;
    const ptrdiff_t seeds = down * across, masked = g->h * g->w * c;
    uint32_t chunk[CHUNK_WORDS];
    (void)scratch;
    if (masked == 0) return;
    memset(bits, 0, (size_t)(g->n * g->h * words) * sizeof *bits);
    for (ptrdiff_t i = 0; i < g->n; i++) {
        uint32_t *sample = bits + i * g->h * words;
        ptrdiff_t kept = masked;
        for (ptrdiff_t r = 0; r < g->h; r++)
            for (ptrdiff_t b = 0; b < g->w * c; b++)
                sample[r * words + b / 32] |= (uint32_t)1 << b % 32;
        for (ptrdiff_t e = 0; e < seeds; e++) {
            if (e % MASK_CHUNK == 0)
                mask_bits(chunk, seeds - e < MASK_CHUNK ? seeds - e : MASK_CHUNK, s,
                          first + (uint64_t)(i * seeds + e), threshold);
            if (chunk[e % MASK_CHUNK / 32] >> e % 32 & 1) continue;
            for (ptrdiff_t r = e / across; r < e / across + g->block; r++)
                for (ptrdiff_t j = 0; j < g->block; j++) {
                    const ptrdiff_t b = e % across + j * c;
                    uint32_t *word = &sample[r * words + b / 32];
                    kept -= *word >> b % 32 & 1;
                    *word &= ~((uint32_t)1 << b % 32);
                }
        }
        scales[i] = kept ? (real)((double)masked / (double)kept) : 0;
    }
    if (y) drop_block_backward(y, x, bits, scales, g);
}
