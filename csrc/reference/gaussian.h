/* Box and Muller (1958), with the system's functions. */
static double reference_normal(const md_stream *s, uint64_t number)
{
    const uint64_t first = number / 256 * 256, i = number % 128;
    uint32_t radius, turn;
    random_words(&radius, 1, s, first + i);
    random_words(&turn, 1, s, first + 128 + i);
    const double u = ((double)(radius >> 1) + 0.5) * 0x1p-31, angle = (double)turn * 0x1p-32;
    const double r = sqrt(-2 * log(u)), full = 6.283185307179586476925;
    return number % 256 < 128 ? r * cos(full * angle) : r * sin(full * angle);
}

static void gaussian(real *y, const real *x, ptrdiff_t n, double std, int multiply,
                     const md_stream *s, uint64_t first)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const double z = std * reference_normal(s, first + (uint64_t)i);
        y[i] = (real)(multiply ? (double)x[i] * (1 + z) : (double)x[i] + z);
    }
}
