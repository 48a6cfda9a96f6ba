/* Pooling, channels last: the largest or the mean of each window of pixels, channel by channel.

   Channels are the lanes, so a window is a walk over pixels with everything in registers. Backward
   gives every pixel of dx to one thread, in one of three ways:
   - windows that do not overlap spread: each writes its own pixels, and zeros up to the next one;
   - pixels gather where windows overlap: from the windows that cover them (pool_gather.h);
   - elements scatter where few lanes would be busy: each to the pixel that won (pool_scatter.h). */
#ifndef MD_POOL_H
#define MD_POOL_H

#include "ahead.h"
#include "pool_gather.h"
#include "pool_scatter.h"

/* ---- one window ---- */

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

/* ---- the kernels ---- */

static void pool_backward(pool_work w)
{
    const md_pool *g = w.g;
    w.overlap = windows_overlap(&w.height) || windows_overlap(&w.width);
    w.past = g->c % W == 0 && goes_past(w.to, g->n * g->h * g->w * g->c);
    if (w.arg && scatters(g, w.overlap)) pool_run(w, scatter_item, g->n * g->h);
    else if (w.overlap) pool_run(w, gather_item, g->n * g->h);
    else pool_run(w, spread_item, g->n * g->oh);
}

static void max_pool2d_forward(real *y, void *arg, const real *x, const md_pool *g)
{
    pool_run(pool_of(y, x, arg, g), forward_item, g->n * g->oh);
}

static void max_pool2d_backward(real *dx, const real *dy, const void *arg, const md_pool *g)
{
    pool_backward(pool_of(dx, dy, (void *)arg, g));
}

static void avg_pool2d_forward(real *y, const real *x, const md_pool *g)
{
    pool_work w = pool_of(y, x, NULL, g);
    w.far = is_far(g->n * g->h * g->w * g->c);
    pool_run(w, forward_item, g->n * g->oh);
}

static void avg_pool2d_backward(real *dx, const real *dy, const md_pool *g)
{
    pool_backward(pool_of(dx, dy, NULL, g));
}

#endif
