/* Pooling, channels last: the largest or the mean of each window of pixels, channel by channel.

   Channels are the lanes, so a window is a walk over pixels with everything in registers. Backward
   writes every pixel of dx once, so that threads never meet, in one of two ways:
   - windows that do not overlap spread: each writes its own pixels, and zeros up to the next one;
   - pixels gather where windows overlap: from the windows that cover them, in order. */
#ifndef MD_POOL_H
#define MD_POOL_H

#include "../minidrop.h"
#include "../vec.h"
#include "ahead.h"
#include "places.h"
#include "pool_axis.h"

/* Do `body(j, m)` for the channels: whole vectors with a constant m, then what is left. */
#define FOR_CHANNELS(body, c, ...) \
    do { \
        ptrdiff_t j = 0; \
        for (; j + W <= (c); j += W) body(j, W, __VA_ARGS__); \
        if (j < (c)) body(j, (c) - j, __VA_ARGS__); \
    } while (0)

/* ---- one window ---- */

typedef struct {
    real *to;
    const real *from;
    void *arg;                       /* NULL: means */
    const md_pool *g;
    pool_axis height, width;
    ptrdiff_t rows, rows_per_item;   /* of windows, or of pixels to gather for; over all images */
    int past;                        /* every pixel that backward writes goes past the caches */
    int far;                         /* what forward reads comes from memory */
} pool_work;

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

/* The rows of a window lie apart, which is no stream for the machine: ask for the window below. */
INLINE void ask_below(const pool_work *w, const real *x, ptrdiff_t rows, ptrdiff_t cols)
{
    const md_pool *g = w->g;
    const real *next = x + g->stride_h * g->w * g->c;
    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t q = 0; q < cols; q++) ask_line(next + (r * g->w + q) * g->c);
}

INLINE void pool_max(ptrdiff_t j, ptrdiff_t m, const pool_work *w, const pool_window *win,
                       ptrdiff_t rows, ptrdiff_t cols)
{
    const md_pool *g = w->g;
    const real *x = w->from + win->x + j;
    ask_below(w, x, rows, cols);
    vf best = load_some(x, m);
    vf place = as_real(set1_int(win->place));
    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t q = r ? 0 : 1; q < cols; q++) {
            const vf v = load_some(x + (r * g->w + q) * g->c, m);
            take_window(&best, &place, v, win->place + r * g->kw + q);
        }
    store_some(w->to + win->y + j, best, m);
    store_places(w->arg, win->y + j, as_int(place), m, g->wide);
}

INLINE void pool_mean(ptrdiff_t j, ptrdiff_t m, const pool_work *w, const pool_window *win,
                        ptrdiff_t rows, ptrdiff_t cols, vf count)
{
    const real *x = w->from + win->x + j;
    vf sum = zero();
    if (w->far) ask_below(w, x, rows, cols);   /* so little else to do that asking shows */
    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t q = 0; q < cols; q++) sum += load_some(x + (r * w->g->w + q) * w->g->c, m);
    store_some(w->to + win->y + j, sum / count, m);
}

INLINE void spread_max(ptrdiff_t j, ptrdiff_t m, const pool_work *w, const pool_window *win,
                       ptrdiff_t rows, ptrdiff_t cols)
{
    const md_pool *g = w->g;
    const vf dy = load_some(w->from + win->y + j, m);
    const vi place = load_places(w->arg, win->y + j, m, g->wide);
    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t q = 0; q < cols; q++)
            put(w->to + win->x + (r * g->w + q) * g->c + j,
                keep(same(place, set1_int(win->place + r * g->kw + q)), dy), m, w->past);
}

INLINE void spread_mean(ptrdiff_t j, ptrdiff_t m, const pool_work *w, const pool_window *win,
                        ptrdiff_t rows, ptrdiff_t cols, vf count)
{
    const vf share = load_some(w->from + win->y + j, m) / count;
    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t q = 0; q < cols; q++)
            put(w->to + win->x + (r * w->g->w + q) * w->g->c + j, share, m, w->past);
}

/* ---- forward, and backward by windows ---- */

/* The same over all channels. 2 x 2 is most common, and a function of its own, with constants. */
#define POOL_DO(name, body, ...) \
    static void name(const pool_work *w, const pool_window *win) \
    { \
        FOR_CHANNELS(body, w->g->c, w, win, __VA_ARGS__); \
    }

INLINE vf window_count(const pool_work *w, const pool_window *win)
{
    return set1((real)(w->g->kh ? w->g->kh * w->g->kw : win->rows * win->cols));
}

POOL_DO(max_any, pool_max, win->rows, win->cols)
POOL_DO(max_2x2, pool_max, 2, 2)
POOL_DO(mean_any, pool_mean, win->rows, win->cols, window_count(w, win))
POOL_DO(mean_2x2, pool_mean, 2, 2, set1(4))
POOL_DO(spread_max_any, spread_max, win->rows, win->cols)
POOL_DO(spread_max_2x2, spread_max, 2, 2)
POOL_DO(spread_mean_any, spread_mean, win->rows, win->cols, window_count(w, win))
POOL_DO(spread_mean_2x2, spread_mean, 2, 2, set1(4))

typedef void pool_do(const pool_work *w, const pool_window *win);

/* any, or two_by_two, which a mean may only be of where nothing else is counted. */
INLINE void do_row(const pool_work *w, ptrdiff_t row, pool_do *any, pool_do *two_by_two)
{
    const pool_window first = window_row(w, row);
    const int can_be_two = w->arg || !w->g->kh || w->g->kh * w->g->kw == 4;
    for (ptrdiff_t ox = 0; ox < w->g->ow; ox++) {
        const pool_window win = window_at(w, &first, ox);
        if (can_be_two && win.rows == 2 && win.cols == 2) two_by_two(w, &win);
        else any(w, &win);
    }
}

static void forward_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const pool_work *w = context;
    const ptrdiff_t end = smaller(w->rows, (item + 1) * w->rows_per_item);
    for (ptrdiff_t row = item * w->rows_per_item; row < end; row++)
        if (w->arg) do_row(w, row, max_any, max_2x2);
        else do_row(w, row, mean_any, mean_2x2);
}

/* dx = 0 for the pixels of one row from column `from` to before `to`. */
INLINE void clear_pixels(const pool_work *w, ptrdiff_t row, ptrdiff_t from, ptrdiff_t to)
{
    if (from < to)
        memset(w->to + (row * w->g->w + from) * w->g->c, 0,
               (size_t)((to - from) * w->g->c) * sizeof(real));
}

static void spread_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const pool_work *w = context;
    const md_pool *g = w->g;
    const ptrdiff_t end = smaller(w->rows, (item + 1) * w->rows_per_item);
    for (ptrdiff_t row = item * w->rows_per_item; row < end; row++) {
        /* the rows of pixels from this row of windows to the next are this row's to write */
        const ptrdiff_t top = row / g->oh * g->h, oy = row % g->oh;
        const ptrdiff_t y0 = window_start(&w->height, oy), y1 = window_end(&w->height, oy);
        const ptrdiff_t next = oy + 1 < g->oh ? window_start(&w->height, oy + 1) : g->h;
        for (ptrdiff_t y = oy ? y0 : 0; y < next; y++) {
            ptrdiff_t done = 0;
            for (ptrdiff_t ox = 0; ox < g->ow && y >= y0 && y < y1; ox++) {
                clear_pixels(w, top + y, done, window_start(&w->width, ox));
                done = window_end(&w->width, ox);
            }
            clear_pixels(w, top + y, done, g->w);
        }
        if (w->arg) do_row(w, row, spread_max_any, spread_max_2x2);
        else do_row(w, row, spread_mean_any, spread_mean_2x2);
    }
}

/* ---- backward by pixels ---- */

/* A pixel, at x, and the windows that cover it. The first of them stands at y, and the pixel has
   number `place` in it. */
typedef struct { pool_cover down, across; ptrdiff_t x, y, place; } pool_pixel;

INLINE void gather_max(ptrdiff_t j, ptrdiff_t m, const pool_work *w, const pool_pixel *p)
{
    const md_pool *g = w->g;
    const ptrdiff_t across = p->across.last - p->across.first;
    ptrdiff_t y = p->y + j, place = p->place;
    vf sum = zero();
    for (ptrdiff_t oy = p->down.first; oy <= p->down.last; oy++) {
        for (ptrdiff_t i = 0; i <= across; i++) {
            const vi won = load_places(w->arg, y + i * g->c, m, g->wide);
            const vf dy = load_some(w->from + y + i * g->c, m);
            sum += keep(same(won, set1_int(place - i * g->stride_w)), dy);
        }
        y += g->ow * g->c, place -= g->stride_h * g->kw;
    }
    put(w->to + p->x + j, sum, m, w->past);
}

INLINE void gather_mean(ptrdiff_t j, ptrdiff_t m, const pool_work *w, const pool_pixel *p)
{
    const md_pool *g = w->g;
    ptrdiff_t y = p->y + j;
    vf sum = zero();
    for (ptrdiff_t oy = p->down.first; oy <= p->down.last; oy++, y += g->ow * g->c)
        for (ptrdiff_t ox = p->across.first; ox <= p->across.last; ox++) {
            const vf dy = load_some(w->from + y + (ox - p->across.first) * g->c, m);
            if (g->kh) sum += dy;
            else sum += dy / set1((real)(window_size(&w->height, oy) * window_size(&w->width, ox)));
        }
    if (g->kh) sum /= set1((real)(g->kh * g->kw));
    put(w->to + p->x + j, sum, m, w->past);
}

static void gather_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const pool_work *w = context;
    const md_pool *g = w->g;
    const ptrdiff_t end = smaller(w->rows, (item + 1) * w->rows_per_item);
    for (ptrdiff_t row = item * w->rows_per_item; row < end; row++) {
        const ptrdiff_t image = row / g->h, py = row % g->h;
        pool_pixel p = {cover_none(&w->height), cover_none(&w->width), .x = row * g->w * g->c};
        cover_pixel(&p.down, &w->height, py);
        const ptrdiff_t y = (image * g->oh + p.down.first) * g->ow;
        const ptrdiff_t place = (py - p.down.first * g->stride_h + g->pad_h) * g->kw + g->pad_w;
        for (ptrdiff_t px = 0; px < g->w; px++, p.x += g->c) {
            cover_pixel(&p.across, &w->width, px);
            p.y = (y + p.across.first) * g->c;
            p.place = place + px - p.across.first * g->stride_w;
            if (w->arg) FOR_CHANNELS(gather_max, g->c, w, &p);
            else FOR_CHANNELS(gather_mean, g->c, w, &p);
        }
    }
}

/* ---- the kernels ---- */

/* Items of about 16 K elements of x, whole rows. */
static void pool_run(pool_work w, md_item *item, ptrdiff_t rows)
{
    const md_pool *g = w.g;
    const ptrdiff_t elements = g->n * g->h * g->w * g->c;
    if (rows == 0 || elements == 0) return;
    w.height = (pool_axis){g->h, g->oh, g->kh, g->stride_h, g->pad_h};
    w.width = (pool_axis){g->w, g->ow, g->kw, g->stride_w, g->pad_w};
    w.rows = rows;
    w.rows_per_item = larger(1, (ptrdiff_t)(16384.0 * (double)rows / (double)elements));
    const double taps = g->kh ? (double)(g->kh * g->kw) / (double)(g->stride_h * g->stride_w) : 1;
    md_parallel_for(ceil_div(rows, w.rows_per_item), 0.2 * (1 + taps) * (double)elements, item, &w);
}

static void pool_backward(pool_work w)
{
    const md_pool *g = w.g;
    w.past = g->c % W == 0 && goes_past(w.to, g->n * g->h * g->w * g->c);
    if (windows_overlap(&(pool_axis){g->h, g->oh, g->kh, g->stride_h, g->pad_h}) ||
        windows_overlap(&(pool_axis){g->w, g->ow, g->kw, g->stride_w, g->pad_w}))
        pool_run(w, gather_item, g->n * g->h);
    else pool_run(w, spread_item, g->n * g->oh);
}

static void max_pool2d_forward(real *y, void *arg, const real *x, const md_pool *g)
{
    pool_run((pool_work){.to = y, .from = x, .arg = arg, .g = g}, forward_item, g->n * g->oh);
}

static void max_pool2d_backward(real *dx, const real *dy, const void *arg, const md_pool *g)
{
    pool_backward((pool_work){.to = dx, .from = dy, .arg = (void *)arg, .g = g});
}

static void avg_pool2d_forward(real *y, const real *x, const md_pool *g)
{
    const int far = is_far(g->n * g->h * g->w * g->c);
    pool_run((pool_work){.to = y, .from = x, .g = g, .far = far}, forward_item, g->n * g->oh);
}

static void avg_pool2d_backward(real *dx, const real *dy, const md_pool *g)
{
    pool_backward((pool_work){.to = dx, .from = dy, .g = g});
}

#endif
