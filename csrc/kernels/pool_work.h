/* What a pooling has to do: the work its items share, and where a window stands. */
#ifndef MD_POOL_WORK_H
#define MD_POOL_WORK_H

#include "../minidrop.h"
#include "pool_axis.h"

/* Do `body(j, m)` for the channels: whole vectors with a constant m, then what is left. */
#define FOR_CHANNELS(body, c, ...) \
    do { \
        ptrdiff_t j = 0; \
        for (; j + W <= (c); j += W) body(j, W, __VA_ARGS__); \
        if (j < (c)) body(j, (c) - j, __VA_ARGS__); \
    } while (0)

typedef struct {
    real *to;
    const real *from;
    void *arg;                       /* NULL: means */
    const md_pool *g;
    pool_axis height, width;
    ptrdiff_t rows, rows_per_item;   /* of windows, or of pixels to gather for; over all images */
    int overlap;                     /* windows do */
    int past;                        /* every pixel that backward writes goes past the caches */
    int far;                         /* what forward reads comes from memory */
} pool_work;

static pool_work pool_of(real *to, const real *from, void *arg, const md_pool *g)
{
    return (pool_work){.to = to, .from = from, .arg = arg, .g = g,
                       .height = {g->h, g->oh, g->kh, g->stride_h, g->pad_h},
                       .width = {g->w, g->ow, g->kw, g->stride_w, g->pad_w}};
}

/* The pixels that exist of a window, and elements: of its first pixel in x, of its place in y.
   `place` is the number of that pixel in the whole window, whose first may be padding. */
typedef struct { ptrdiff_t rows, cols, x, y, place; } pool_window;

/* What all windows of a row have in common: it stands at column 0 of x and of y. */
INLINE pool_window window_row(const pool_work *w, ptrdiff_t row)
{
    const md_pool *g = w->g;
    const ptrdiff_t image = row / g->oh, oy = row % g->oh, y0 = window_start(&w->height, oy);
    return (pool_window){window_size(&w->height, oy), 0, (image * g->h + y0) * g->w * g->c,
                         row * g->ow * g->c, (y0 - oy * g->stride_h + g->pad_h) * g->kw + g->pad_w};
}

INLINE pool_window window_at(const pool_work *w, const pool_window *row, ptrdiff_t ox)
{
    const md_pool *g = w->g;
    const ptrdiff_t x0 = window_start(&w->width, ox);
    return (pool_window){row->rows, window_end(&w->width, ox) - x0, row->x + x0 * g->c,
                         row->y + ox * g->c, row->place + x0 - ox * g->stride_w};
}

/* Items of about 16 K elements of x, whole rows. */
static void pool_run(pool_work w, md_item *item, ptrdiff_t rows)
{
    const md_pool *g = w.g;
    const ptrdiff_t elements = g->n * g->h * g->w * g->c;
    if (rows == 0 || elements == 0) return;
    w.rows = rows;
    w.rows_per_item = larger(1, (ptrdiff_t)(16384.0 * (double)rows / (double)elements));
    const double taps = g->kh ? (double)(g->kh * g->kw) / (double)(g->stride_h * g->stride_w) : 1;
    md_parallel_for(ceil_div(rows, w.rows_per_item), 0.2 * (1 + taps) * (double)elements, item, &w);
}

#endif
