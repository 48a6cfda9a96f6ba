/* Layer norm, a row at a time. */
static ptrdiff_t layer_norm_scratch(ptrdiff_t rows, ptrdiff_t cols)
{
    (void)rows, (void)cols;
    return 0;
}

static void layer_norm_forward(real *y, real *mean, real *inverse, const real *x,
                               const real *weight, const real *bias, ptrdiff_t rows,
                               ptrdiff_t cols, double eps)
{
    for (ptrdiff_t r = 0; r < rows; r++, x += cols, y += cols) {
        double sum = 0, squares = 0;
        for (ptrdiff_t j = 0; j < cols; j++) sum += x[j];
        mean[r] = (real)(sum / (double)cols);
        for (ptrdiff_t j = 0; j < cols; j++) squares += (x[j] - mean[r]) * (x[j] - mean[r]);
        inverse[r] = 1 / sqrtf((real)(squares / (double)cols) + (real)eps);
        for (ptrdiff_t j = 0; j < cols; j++)
            y[j] = (x[j] - mean[r]) * inverse[r] * (weight ? weight[j] : 1) + (bias ? bias[j] : 0);
    }
}

static void layer_norm_backward(real *dx, real *dweight, real *dbias, const real *dy,
                                const real *x, const real *mean, const real *inverse,
                                const real *weight, ptrdiff_t rows, ptrdiff_t cols, real *scratch)
{
    (void)scratch;
    for (ptrdiff_t j = 0; dweight && j < cols; j++) {
        double sum = 0, along = 0;
        for (ptrdiff_t r = 0; r < rows; r++) {
            sum += dy[r * cols + j];
            along += dy[r * cols + j] * ((x[r * cols + j] - mean[r]) * inverse[r]);
        }
        dbias[j] = (real)sum;
        dweight[j] = (real)along;
    }
    for (ptrdiff_t r = 0; r < rows; r++, x += cols, dy += cols, dx += cols) {
        double level = 0, slope = 0;
        for (ptrdiff_t j = 0; j < cols; j++) {
            const real g = dy[j] * (weight ? weight[j] : 1);
            level += g / (double)cols;
            slope += g * ((x[j] - mean[r]) * inverse[r]) / (double)cols;
        }
        for (ptrdiff_t j = 0; j < cols; j++) {
            const real g = dy[j] * (weight ? weight[j] : 1);
            const real normal = (x[j] - mean[r]) * inverse[r];
            dx[j] = (real)(inverse[r] * (g - level - normal * slope));
        }
    }
}
