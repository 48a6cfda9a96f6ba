/* One product after the other. */
static ptrdiff_t matmul_stack_scratch(ptrdiff_t count, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
                                      int form)
{
    (void)count, (void)m, (void)n, (void)k, (void)form;
    return 0;
}

static void matmul_stack(real *c, const real *a, const real *b, const ptrdiff_t *a_at,
                         const ptrdiff_t *b_at, ptrdiff_t count, ptrdiff_t m, ptrdiff_t n,
                         ptrdiff_t k, int form, real *scratch)
{
    for (ptrdiff_t i = 0; i < count; i++)
        matmul(c + i * m * n, a + a_at[i], b + b_at[i], NULL, m, n, k, form, 0, scratch);
}
