/* Where op(a)[i][l] and op(b)[l][j] are stored. */
static ptrdiff_t at_a(ptrdiff_t i, ptrdiff_t l, ptrdiff_t m, ptrdiff_t k, int form)
{
    return form == MD_TN ? l * m + i : i * k + l;
}
static ptrdiff_t at_b(ptrdiff_t l, ptrdiff_t j, ptrdiff_t n, ptrdiff_t k, int form)
{
    return form == MD_NT ? j * k + l : l * n + j;
}

/* c = op(a) op(b) + bias, then relu. The chain is the contract: fma over k in order. */
static ptrdiff_t matmul_scratch(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int form, int b_masked)
{
    (void)m, (void)n, (void)k, (void)form, (void)b_masked;
    return 0;
}

static void matmul(real *c, const real *a, const real *b, const real *bias, ptrdiff_t m,
                   ptrdiff_t n, ptrdiff_t k, int form, int relu, real *scratch)
{
    (void)scratch;
    for (ptrdiff_t i = 0; i < m; i++)
        for (ptrdiff_t j = 0; j < n; j++) {
            real sum = 0;
            for (ptrdiff_t l = 0; l < k; l++)
                sum = fmaf(a[at_a(i, l, m, k, form)], b[at_b(l, j, n, k, form)], sum);
            if (bias) sum += bias[j];
            c[i * n + j] = relu && sum < 0 ? 0 : sum;
        }
}

/* The same, of the b that dropout would give. */
static void matmul_masked(real *c, const real *a, const real *b, const uint32_t *bits, double scale,
                          const real *bias, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int form,
                          real *scratch)
{
    (void)scratch;
    for (ptrdiff_t i = 0; i < m; i++)
        for (ptrdiff_t j = 0; j < n; j++) {
            real sum = 0;
            for (ptrdiff_t l = 0; l < k; l++) {
                const real x = a[at_a(i, l, m, k, form)];
                const ptrdiff_t at = at_b(l, j, n, k, form);
                sum = fmaf(x, bits[at / 32] >> at % 32 & 1 ? b[at] * (real)scale : 0, sum);
            }
            c[i * n + j] = bias ? sum + bias[j] : sum;
        }
}
