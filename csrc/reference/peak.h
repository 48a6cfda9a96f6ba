/* One chain of multiply-adds: what the limit would be without vectors or independent chains. */
static double fma_peak(real *out, ptrdiff_t iterations)
{
    real chain = 1;
    for (ptrdiff_t k = 0; k < iterations; k++) chain = fmaf(chain, (real)0.999, (real)1e-6);
    memset(out, 0, 16 * sizeof(real));
    out[0] = chain;
    return 2.0 * (double)iterations;
}

/* There is no micro-kernel here: the chain again. */
static ptrdiff_t tile_peak_scratch(void) { return 16; }

static double tile_peak(real *scratch, ptrdiff_t iterations)
{
    return fma_peak(scratch, iterations);
}

/* And one worker, which reads what it wrote. */
static double exchange(real *rooms, ptrdiff_t reals, ptrdiff_t rounds)
{
    for (ptrdiff_t i = 0; i < rounds; i++) {
        memset(rooms, 0, (size_t)(reals + 1) * sizeof(real));
        for (ptrdiff_t j = 0; j < reals; j++) rooms[reals] += rooms[j];
    }
    return (double)(rounds * reals) * sizeof(real);
}
