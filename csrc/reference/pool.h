/* Pooling, element by element. Backward goes through the windows in order and scatters. */
typedef struct { ptrdiff_t y0, y1, x0, x1; } pool_window;

static pool_window window_of(const md_pool *g, ptrdiff_t oy, ptrdiff_t ox)
{
    if (g->kh == 0)
        return (pool_window){oy * g->h / g->oh, ((oy + 1) * g->h + g->oh - 1) / g->oh,
                             ox * g->w / g->ow, ((ox + 1) * g->w + g->ow - 1) / g->ow};
    const ptrdiff_t y = oy * g->stride_h - g->pad_h, x = ox * g->stride_w - g->pad_w;
    return (pool_window){y > 0 ? y : 0, y + g->kh < g->h ? y + g->kh : g->h,
                         x > 0 ? x : 0, x + g->kw < g->w ? x + g->kw : g->w};
}

#define FOR_WINDOWS(g) \
    for (ptrdiff_t i = 0; i < (g)->n; i++) \
        for (ptrdiff_t oy = 0; oy < (g)->oh; oy++) \
            for (ptrdiff_t ox = 0; ox < (g)->ow; ox++) \
                for (ptrdiff_t ch = 0; ch < (g)->c; ch++)
#define FOR_WINDOW(win) \
    for (ptrdiff_t py = (win).y0; py < (win).y1; py++) \
        for (ptrdiff_t px = (win).x0; px < (win).x1; px++)

static void max_pool2d_forward(real *y, void *arg, const real *x, const md_pool *g)
{
    FOR_WINDOWS(g) {
        const ptrdiff_t o = ((i * g->oh + oy) * g->ow + ox) * g->c + ch;
        const pool_window win = window_of(g, oy, ox);
        real best = 0;
        ptrdiff_t at = -1;
        FOR_WINDOW(win) {
            const real v = x[((i * g->h + py) * g->w + px) * g->c + ch];
            if (at >= 0 && (v <= best || best != best)) continue;
            best = v;
            at = (py - oy * g->stride_h + g->pad_h) * g->kw + px - ox * g->stride_w + g->pad_w;
        }
        y[o] = best;
        if (g->wide) ((uint32_t *)arg)[o] = (uint32_t)at;
        else ((uint8_t *)arg)[o] = (uint8_t)at;
    }
}

static void max_pool2d_backward(real *dx, const real *dy, const void *arg, const md_pool *g)
{
    memset(dx, 0, (size_t)(g->n * g->h * g->w * g->c) * sizeof *dx);
    FOR_WINDOWS(g) {
        const ptrdiff_t o = ((i * g->oh + oy) * g->ow + ox) * g->c + ch;
        const ptrdiff_t at = g->wide ? (ptrdiff_t)((const uint32_t *)arg)[o]
                                     : (ptrdiff_t)((const uint8_t *)arg)[o];
        const ptrdiff_t py = oy * g->stride_h - g->pad_h + at / g->kw;
        const ptrdiff_t px = ox * g->stride_w - g->pad_w + at % g->kw;
        if (py < 0 || py >= g->h || px < 0 || px >= g->w) continue;  /* no index of forward's */
        dx[((i * g->h + py) * g->w + px) * g->c + ch] += dy[o];
    }
}

static real window_count(const md_pool *g, const pool_window *win)
{
    return (real)(g->kh ? g->kh * g->kw : (win->y1 - win->y0) * (win->x1 - win->x0));
}

static void avg_pool2d_forward(real *y, const real *x, const md_pool *g)
{
    FOR_WINDOWS(g) {
        const pool_window win = window_of(g, oy, ox);
        real sum = 0;
        FOR_WINDOW(win) sum += x[((i * g->h + py) * g->w + px) * g->c + ch];
        y[((i * g->oh + oy) * g->ow + ox) * g->c + ch] = sum / window_count(g, &win);
    }
}

static void avg_pool2d_backward(real *dx, const real *dy, const md_pool *g)
{
    memset(dx, 0, (size_t)(g->n * g->h * g->w * g->c) * sizeof *dx);
    FOR_WINDOWS(g) {
        const pool_window win = window_of(g, oy, ox);
        const real share = dy[((i * g->oh + oy) * g->ow + ox) * g->c + ch] / window_count(g, &win);
        FOR_WINDOW(win) dx[((i * g->h + py) * g->w + px) * g->c + ch] += share;
    }
}
