/* Max-pooling's backward element by element, where channels are too few to fill a vector: each
   element of dy goes to the pixel that won its window. A pixel takes in its windows in the order in
   which it would gather them: the same bits. */
#ifndef MD_POOL_SCATTER_H
#define MD_POOL_SCATTER_H

#include "pool_work.h"

enum { PLACES = 256, SCATTERED = 8 };   /* places that are bytes; channels at most */

/* A window that overlaps no other takes a store for each of its pixels, and the elements scattered
   one for each channel. */
INLINE int scatters(const md_pool *g, int overlap)
{
    return !g->wide && g->c <= SCATTERED && (overlap || g->c <= g->kh * g->kw);
}

/* A place, seen from the first pixel of its window: pixels down and across, reals of dx. */
typedef struct { int32_t down, across; ptrdiff_t at; } pool_place;

/* Rows y0 .. y1 of dx, of one image. */
static void scatter_rows(const pool_work *w, const pool_place *places, ptrdiff_t image,
                         ptrdiff_t y0, ptrdiff_t y1)
{
    const md_pool *g = w->g;
    const ptrdiff_t row = g->w * g->c, taps = g->kh * g->kw;
    const uint8_t *arg = w->arg;
    real *const dx = w->to + image * g->h * row;
    memset(dx + y0 * row, 0, (size_t)((y1 - y0) * row) * sizeof(real));
    for (ptrdiff_t oy = 0; oy < g->oh; oy++) {
        const ptrdiff_t top = oy * g->stride_h - g->pad_h;
        if (top + g->kh <= y0 || y1 <= top) continue;
        for (ptrdiff_t ox = 0; ox < g->ow; ox++) {
            const ptrdiff_t left = ox * g->stride_w - g->pad_w;
            const ptrdiff_t window = ((image * g->oh + oy) * g->ow + ox) * g->c;
            const int inside = y0 <= top && top + g->kh <= y1 && 0 <= left &&
                               left + g->kw <= g->w;
            for (ptrdiff_t j = 0; j < g->c; j++) {
                const pool_place *p = places + arg[window + j];
                if (arg[window + j] >= taps) continue;
                if (!inside && (top + p->down < y0 || y1 <= top + p->down ||
                                left + p->across < 0 || g->w <= left + p->across))
                    continue;
                real *const to = dx + top * row + left * g->c + p->at + j;
                *to = w->overlap ? *to + w->from[window + j] : w->from[window + j];
            }
        }
    }
}

static void scatter_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const pool_work *w = context;
    const md_pool *g = w->g;
    pool_place places[PLACES];
    for (int q = 0; q < g->kh * g->kw; q++) {
        const int32_t down = q / (int)g->kw, across = q % (int)g->kw;
        places[q] = (pool_place){down, across, (down * g->w + across) * g->c};
    }
    const ptrdiff_t end = smaller(w->rows, (item + 1) * w->rows_per_item);
    for (ptrdiff_t row = item * w->rows_per_item, rows; row < end; row += rows) {
        const ptrdiff_t image = row / g->h, y0 = row % g->h;
        rows = smaller(end - row, g->h - y0);
        scatter_rows(w, places, image, y0, y0 + rows);
    }
}

#endif
