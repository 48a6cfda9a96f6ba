/* Each sample times what its mask leaves of w. */
static void drop_connect_forward(real *y, uint32_t *bits, const real *x, const real *w,
                                 const real *bias, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
                                 const md_stream *s, uint64_t first, uint64_t threshold,
                                 double scale)
{
    const ptrdiff_t size = n * k, words = (size + 31) / 32;
    uint32_t chunk[CHUNK_WORDS];
    for (ptrdiff_t i = 0; i < m; i++) {
        for (ptrdiff_t j = 0; y && j < n; j++) y[i * n + j] = 0;
        for (ptrdiff_t e = 0; e < size; e++) {
            if (e % MASK_CHUNK == 0)
                mask_bits(chunk, size - e < MASK_CHUNK ? size - e : MASK_CHUNK, s,
                          first + (uint64_t)(i * size + e), threshold);
            const uint32_t word = chunk[e % MASK_CHUNK / 32];
            const real kept = word >> e % 32 & 1 ? w[e] * (real)scale : 0;
            if (y) y[i * n + e % n] = fmaf(x[i * k + e / n], kept, y[i * n + e % n]);
            if (bits) bits[i * words + e / 32] = word;
        }
        for (ptrdiff_t j = 0; y && bias && j < n; j++) y[i * n + j] += bias[j];
    }
}

static void drop_connect_backward(real *dx, real *dw, const real *dout, const real *x,
                                  const real *w, const uint32_t *bits, ptrdiff_t m, ptrdiff_t n,
                                  ptrdiff_t k, double scale)
{
    const ptrdiff_t size = n * k, words = (size + 31) / 32;
    for (ptrdiff_t i = 0; dx && i < m * k; i++) dx[i] = 0;
    for (ptrdiff_t e = 0; dw && e < size; e++) dw[e] = 0;
    for (ptrdiff_t i = 0; i < m; i++)
        for (ptrdiff_t e = 0; e < size; e++) {
            const int kept = bits[i * words + e / 32] >> e % 32 & 1;
            const ptrdiff_t l = e / n, j = e % n;
            real *to_x = dx ? dx + i * k + l : NULL, *to_w = dw ? dw + e : NULL;
            const real dy = dout[i * n + j];
            if (to_x) *to_x = fmaf(dy, kept ? w[e] * (real)scale : 0, *to_x);
            if (to_w) *to_w = fmaf(x[i * k + l], kept ? dy * (real)scale : 0, *to_w);
        }
}
