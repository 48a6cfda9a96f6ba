/* Sums are kept in double: the value that every order of float sums should be near to. */
static ptrdiff_t sum_scratch(ptrdiff_t outer, ptrdiff_t mid, ptrdiff_t inner)
{
    (void)outer, (void)mid, (void)inner;
    return 0;
}

static void sum(real *y, const real *x, ptrdiff_t outer, ptrdiff_t mid, ptrdiff_t inner,
                int squares, double divisor, real *scratch)
{
    (void)scratch;
    for (ptrdiff_t o = 0; o < outer; o++)
        for (ptrdiff_t j = 0; j < inner; j++) {
            double total = 0;
            for (ptrdiff_t k = 0; k < mid; k++) {
                const double v = x[(o * mid + k) * inner + j];
                total += squares ? v * v : v;
            }
            y[o * inner + j] = (real)(total / divisor);
        }
}
