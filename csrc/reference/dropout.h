/* Select, then scale. */
static real drop_element(real x, int kept, const md_drop_law *law)
{
    const real scale = (real)law->scale, shift = (real)law->shift, dropped = (real)law->dropped;
    if (!kept) return dropped;
    return shift == 0 && dropped == 0 ? x * scale : fmaf(x, scale, shift);
}

static void dropout_backward(real *dx, const real *dout, const uint32_t *bits, ptrdiff_t n,
                             double scale)
{
    const md_drop_law law = {.scale = scale};
    for (ptrdiff_t i = 0; i < n; i++)
        dx[i] = drop_element(dout[i], bits[i / 32] >> i % 32 & 1, &law);
}

static void dropout_forward(real *y, uint32_t *bits, const real *x, ptrdiff_t n,
                            const md_stream *s, uint64_t first, uint64_t threshold,
                            const md_drop_law *law)
{
    for (ptrdiff_t i = 0; i < n; i += MASK_CHUNK) {
        const ptrdiff_t m = n - i < MASK_CHUNK ? n - i : MASK_CHUNK;
        uint32_t some[CHUNK_WORDS], *chunk = bits ? bits + i / 32 : some;
        mask_bits(chunk, m, s, first + (uint64_t)i, threshold);
        for (ptrdiff_t j = i; j < i + m; j++)
            y[j] = drop_element(x[j], chunk[(j - i) / 32] >> (j - i) % 32 & 1, law);
    }
}

/* The dropout of a convolution's output, if it has one. */
static void drop_tail(real *y, ptrdiff_t n, const md_conv *g)
{
    const md_drop *d = g->drop;
    if (d) dropout_forward(y, NULL, y, n, &d->stream, d->first, d->threshold, &d->law);
}
