/* softmax and its logarithm: the greatest element first, so that no power overflows. */
static real greatest(const real *x, ptrdiff_t cols)
{
    real max = -INFINITY;
    for (ptrdiff_t j = 0; j < cols; j++) max = x[j] > max ? x[j] : max;
    return max;
}

static real sum_of_powers(const real *x, real max, ptrdiff_t cols)
{
    real sum = 0;
    for (ptrdiff_t j = 0; j < cols; j++) sum += expf(x[j] - max);
    return sum;
}

static void softmax_forward(real *y, const real *x, ptrdiff_t rows, ptrdiff_t cols, int log)
{
    for (ptrdiff_t r = 0; r < rows; r++, x += cols, y += cols) {
        const real max = greatest(x, cols), sum = sum_of_powers(x, max, cols);
        for (ptrdiff_t j = 0; j < cols; j++)
            y[j] = log ? x[j] - max - logf(sum) : expf(x[j] - max) / sum;
    }
}

static void softmax_backward(real *dx, const real *dy, const real *y, ptrdiff_t rows,
                             ptrdiff_t cols, int log)
{
    for (ptrdiff_t r = 0; r < rows; r++, dx += cols, dy += cols, y += cols) {
        real sum = 0;
        for (ptrdiff_t j = 0; j < cols; j++) sum += log ? dy[j] : dy[j] * y[j];
        for (ptrdiff_t j = 0; j < cols; j++)
            dx[j] = log ? dy[j] - expf(y[j]) * sum : y[j] * (dy[j] - sum);
    }
}
