/* c = op(a) op(b) without the terms that are zero by a, or with MD_TN by b. */
static ptrdiff_t matmul_sparse_scratch(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int form)
{
    (void)m, (void)n, (void)k, (void)form;
    return 0;
}

static void matmul_sparse(real *c, const real *a, const real *b, ptrdiff_t m, ptrdiff_t n,
                          ptrdiff_t k, int form, real *scratch)
{
    (void)scratch;
    for (ptrdiff_t i = 0; i < m; i++)
        for (ptrdiff_t j = 0; j < n; j++) {
            real sum = 0;
            for (ptrdiff_t l = 0; l < k; l++) {
                const real x = a[at_a(i, l, m, k, form)], y = b[at_b(l, j, n, k, form)];
                if ((form == MD_TN ? y : x) != 0) sum = fmaf(x, y, sum);
            }
            c[i * n + j] = sum;
        }
}
