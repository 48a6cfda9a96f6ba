/* A share of each element is dropped. Computed in double, rounded at the end. */
static void concrete_forward(real *y, real *kept, const real *x, ptrdiff_t n, double logit,
                             double temperature, const md_stream *s, uint64_t first)
{
    const double l = (real)logit;
    uint32_t words[SUPERBLOCK_WORDS];
    for (ptrdiff_t i = 0; i < n; i++) {
        if (i % SUPERBLOCK_WORDS == 0)
            random_words(words, n - i < SUPERBLOCK_WORDS ? n - i : SUPERBLOCK_WORDS, s,
                         first + (uint64_t)i);
        const double u = (words[i % SUPERBLOCK_WORDS] + 0.5) * 0x1p-32;
        const double z = 1 / (1 + exp(-(l + log(u / (1 - u))) / temperature));
        kept[i] = (real)((1 - z) * (1 + exp(l)));
        if (y) y[i] = x[i] * kept[i];
    }
}

static void concrete_backward(real *dx, real *slope, const real *dout, const real *x,
                              const real *kept, ptrdiff_t n, double logit, double temperature)
{
    const double p = 1 / (1 + exp(-(real)logit));
    for (ptrdiff_t i = 0; i < n; i++) {
        const double z = 1 - kept[i] * (1 - p);
        dx[i] = dout[i] * kept[i];
        slope[i] = (real)(dout[i] * x[i] * kept[i] * (p - z / temperature));
    }
}
