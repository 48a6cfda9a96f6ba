/* Batch norm, a channel at a time. */
static ptrdiff_t norm_scratch(ptrdiff_t rows, ptrdiff_t c)
{
    (void)rows, (void)c;
    return 0;
}

static void batch_statistics(real *mean, real *var, const real *x, ptrdiff_t rows, ptrdiff_t c,
                             real *scratch)
{
    (void)scratch;
    for (ptrdiff_t j = 0; j < c; j++) {
        double sum = 0, squares = 0;
        for (ptrdiff_t i = 0; i < rows; i++) sum += x[i * c + j];
        const double middle = rows ? sum / (double)rows : 0;
        for (ptrdiff_t i = 0; i < rows; i++)
            squares += (x[i * c + j] - middle) * (x[i * c + j] - middle);
        mean[j] = (real)middle;
        var[j] = rows ? (real)(squares / (double)rows) : 0;
    }
}

static void move_statistics(real *running, const real *batch, ptrdiff_t c, double momentum,
                            double times)
{
    const real stays = (real)(1 - momentum), comes = (real)momentum;
    for (ptrdiff_t j = 0; j < c; j++)
        running[j] = running[j] * stays + (batch[j] * (real)times) * comes;
}

/* One element of channel j. */
static real normalized(real x, ptrdiff_t j, const real *mean, const real *var, const real *weight,
                       const real *bias, double eps)
{
    const real normal = (x - mean[j]) / sqrtf(var[j] + (real)eps);
    return normal * (weight ? weight[j] : 1) + (bias ? bias[j] : 0);
}

static void batch_norm_forward(real *y, const real *x, const real *mean, const real *var,
                               const real *weight, const real *bias, ptrdiff_t rows, ptrdiff_t c,
                               double eps, int relu, real *scratch)
{
    (void)scratch;
    for (ptrdiff_t i = 0; i < rows * c; i++) {
        const real v = normalized(x[i], i % c, mean, var, weight, bias, eps);
        y[i] = relu && v <= 0 ? 0 : v;
    }
}

/* dy in front of the relu, if there is one, whose argument is y. */
static real let_through(real dy, real y, int relu) { return relu && !(y > 0) ? 0 : dy; }

static void batch_norm_backward(real *dx, real *dweight, real *dbias, const real *dy,
                                const real *x, const real *mean, const real *var,
                                const real *weight, const real *bias, ptrdiff_t rows,
                                ptrdiff_t c, double eps, int training, int relu, real *scratch)
{
    (void)scratch;
    for (ptrdiff_t j = 0; j < c; j++) {
        const real inverse = 1 / sqrtf(var[j] + (real)eps), scale = weight ? weight[j] : 1;
        double sum = 0, along = 0;
        for (ptrdiff_t i = j; i < rows * c; i += c) {
            const real y = normalized(x[i], j, mean, var, weight, bias, eps);
            const real d = let_through(dy[i], y, relu);
            sum += d;
            along += d * ((x[i] - mean[j]) * inverse);
        }
        dbias[j] = (real)sum;
        dweight[j] = (real)along;
        for (ptrdiff_t i = j; dx && i < rows * c; i += c) {
            const real y = normalized(x[i], j, mean, var, weight, bias, eps);
            const real d = let_through(dy[i], y, relu);
            const real normal = (x[i] - mean[j]) * inverse;
            const real moved = training ? (dbias[j] + normal * dweight[j]) / (real)rows : 0;
            dx[i] = scale * inverse * (d - moved);
        }
    }
}
