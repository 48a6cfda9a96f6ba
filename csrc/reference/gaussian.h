/* Box and Muller (1958), with the system's functions. */
static double reference_normal(const md_stream *s, uint64_t number)
{
    const uint64_t first = number / 1024 * 768, i = number % 512;
    uint32_t a, b;
    random_words(&a, 1, s, first + i);
    random_words(&b, 1, s, first + 512 + i % 256);
    const uint32_t turn = (i < 256 ? b << 16 : b & 0xffff0000) | (a & 0xffff);
    const double u = ((double)(a & 0x7fffffff) + 0.5) * 0x1p-31, r = sqrt(-2 * log(u));
    const double angle = 3.14159265358979323846 * (double)(int32_t)turn * 0x1p-32;
    return (a >> 31 ? -r : r) * (number % 1024 < 512 ? cos(angle) : sin(angle));
}

static void gaussian(real *y, const real *x, ptrdiff_t n, double std, int multiply,
                     const md_stream *s, uint64_t first)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double z = std * reference_normal(s, first + (uint64_t)i);
        y[i] = (real)(multiply ? (double)x[i] * (1 + z) : (double)x[i] + z);
    }
}
