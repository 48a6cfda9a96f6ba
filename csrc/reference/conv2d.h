/* y[n][oy][ox][co] = sum over ky, kx, ci of x[n][iy][ix][ci] w[ky][kx][ci][co], with
   iy = oy stride - pad + ky dil, and x = 0 outside the image. */
static ptrdiff_t conv2d_scratch(const md_conv *g)
{
    (void)g;
    return 0;
}

/* Element i of w as it counts. */
static real weight_at(const real *w, ptrdiff_t i, const md_conv *g)
{
    if (!g->w_bits) return w[i];
    return g->w_bits[i / 32] >> i % 32 & 1 ? w[i] * (real)g->w_scale : 0;
}

static real convolved(const real *x, const real *w, const real *bias, const md_conv *g,
                      ptrdiff_t n, ptrdiff_t oy, ptrdiff_t ox, ptrdiff_t co)
{
    const ptrdiff_t cin = g->cin / g->groups, cout = g->cout / g->groups;
    real sum = 0;
    for (ptrdiff_t ky = 0; ky < g->kh; ky++)
        for (ptrdiff_t kx = 0; kx < g->kw; kx++)
            for (ptrdiff_t ci = 0; ci < cin; ci++) {
                const ptrdiff_t iy = oy * g->stride_h - g->pad_h + ky * g->dil_h;
                const ptrdiff_t ix = ox * g->stride_w - g->pad_w + kx * g->dil_w;
                if (iy < 0 || iy >= g->h || ix < 0 || ix >= g->w) continue;
                sum = fmaf(x[((n * g->h + iy) * g->w + ix) * g->cin + co / cout * cin + ci],
                           weight_at(w, ((ky * g->kw + kx) * cin + ci) * g->cout + co, g), sum);
            }
    if (bias) sum += bias[co];
    return g->relu && sum < 0 ? 0 : sum;
}

static void drop_tail(real *y, ptrdiff_t n, const md_conv *g); /* dropout.h */

static void conv2d_forward(real *y, uint8_t *where, const real *x, const real *w,
                           const real *bias, const md_conv *g, real *scratch)
{
    const ptrdiff_t p = g->pool, rows = g->oh / p, cols = g->ow / p;
    (void)scratch;
    for (ptrdiff_t i = 0; i < g->n * rows * cols * g->cout; i++) {
        const ptrdiff_t co = i % g->cout, ox = i / g->cout % cols * p;
        const ptrdiff_t oy = i / g->cout / cols % rows * p, n = i / g->cout / cols / rows;
        y[i] = convolved(x, w, bias, g, n, oy, ox, co);
        if (where) where[i] = 0;
        for (ptrdiff_t q = 1; q < p * p; q++) {
            const real v = convolved(x, w, bias, g, n, oy + q / p, ox + q % p, co);
            if (!(v > y[i] || (isnan(v) && !isnan(y[i])))) continue;
            y[i] = v;
            if (where) where[i] = (uint8_t)q;
        }
    }
    drop_tail(y, g->n * rows * cols * g->cout, g);
}

/* dx behind the relu that x came out of. */
static void mask_dx(real *dx, const real *x, const md_conv *g)
{
    for (ptrdiff_t i = 0; i < g->n * g->h * g->w * g->cin; i++)
        if (!(x[i] > 0)) dx[i] = 0;
}

/* Every dz, the gradient before relu, goes back to each x, w and bias that it came from. */
static void conv2d_backward(real *dx, real *dw, real *db, const real *x, const real *w,
                            const real *dy, const real *y, const uint8_t *where,
                            const md_conv *g, real *scratch)
{
    const ptrdiff_t cin = g->cin / g->groups, cout = g->cout / g->groups;
    const ptrdiff_t p = g->pool, rows = g->oh / p, cols = g->ow / p;
    (void)scratch;
    if (dx) memset(dx, 0, (size_t)(g->n * g->h * g->w * g->cin) * sizeof(real));
    if (dw) memset(dw, 0, (size_t)(g->kh * g->kw * cin * g->cout) * sizeof(real));
    if (db) memset(db, 0, (size_t)g->cout * sizeof(real));
    for (ptrdiff_t i = 0; i < g->n * rows * cols * g->cout; i++) {
        const ptrdiff_t q = p > 1 ? where[i] : 0, co = i % g->cout;
        const ptrdiff_t ox = i / g->cout % cols * p + q % p;
        const ptrdiff_t oy = i / g->cout / cols % rows * p + q / p, n = i / g->cout / cols / rows;
        const real scale = g->drop ? (real)g->drop->law.scale : 1;
        const real dz = g->relu && !(y[i] > 0) ? 0 : dy[i] * scale;
        if (db) db[co] += dz;
        for (ptrdiff_t ky = 0; ky < g->kh; ky++)
            for (ptrdiff_t kx = 0; kx < g->kw; kx++)
                for (ptrdiff_t ci = 0; ci < cin; ci++) {
                    const ptrdiff_t iy = oy * g->stride_h - g->pad_h + ky * g->dil_h;
                    const ptrdiff_t ix = ox * g->stride_w - g->pad_w + kx * g->dil_w;
                    if (iy < 0 || iy >= g->h || ix < 0 || ix >= g->w) continue;
                    const ptrdiff_t at_x = ((n * g->h + iy) * g->w + ix) * g->cin +
                                           co / cout * cin + ci;
                    const ptrdiff_t at_w = ((ky * g->kw + kx) * cin + ci) * g->cout + co;
                    if (dx) dx[at_x] = fmaf(dz, weight_at(w, at_w, g), dx[at_x]);
                    if (dw) dw[at_w] = fmaf(dz, x[at_x], dw[at_w]);
                }
    }
    if (dx && g->masks_dx) mask_dx(dx, x, g);
}
