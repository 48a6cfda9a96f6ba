/* Cross entropy and the binary one, as their formulas say. */
static void cross_entropy(real *losses, real *dx, const real *x, const int64_t *labels,
                          ptrdiff_t rows, ptrdiff_t cols, double smoothing, double scale)
{
    for (ptrdiff_t r = 0; r < rows; r++, x += cols) {
        const real max = greatest(x, cols), sum = sum_of_powers(x, max, cols);
        real loss = 0;
        for (ptrdiff_t j = 0; j < cols; j++) {
            const double background = smoothing / (double)cols;
            const real target = (real)(background + (j == labels[r] ? 1 - smoothing : 0));
            if (target != 0) loss -= target * (x[j] - max - logf(sum));
            if (dx) dx[r * cols + j] = (expf(x[j] - max) / sum - target) * (real)scale;
        }
        losses[r] = loss;
    }
}

static void binary_cross_entropy(real *losses, const real *x, const real *t, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++)
        losses[i] = (x[i] > 0 ? x[i] : 0) - x[i] * t[i] + log1pf(expf(-fabsf(x[i])));
}

static void binary_cross_entropy_slope(real *dx, const real *x, const real *t, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++) dx[i] = sigmoid_of(x[i]) - t[i];
}
