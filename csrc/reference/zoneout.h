/* New where kept, old where not. */
static void zoneout_forward(real *y, uint32_t *bits, const real *new, const real *old, ptrdiff_t n,
                            const md_stream *s, uint64_t first, uint64_t threshold)
{
    for (ptrdiff_t i = 0; i < n; i += MASK_CHUNK) {
        const ptrdiff_t m = n - i < MASK_CHUNK ? n - i : MASK_CHUNK;
        uint32_t some[CHUNK_WORDS], *chunk = bits ? bits + i / 32 : some;
        mask_bits(chunk, m, s, first + (uint64_t)i, threshold);
        for (ptrdiff_t j = 0; j < m; j++)
            y[i + j] = chunk[j / 32] >> j % 32 & 1 ? new[i + j] : old[i + j];
    }
}

static void zoneout_backward(real *dnew, real *dold, const real *dout, const uint32_t *bits,
                             ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const int kept = bits[i / 32] >> i % 32 & 1;
        if (dnew) dnew[i] = kept ? dout[i] : 0;
        if (dold) dold[i] = kept ? 0 : dout[i];
    }
}
