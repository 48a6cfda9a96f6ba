/* Pooling's backward where windows overlap: a pixel gathers from the windows that cover it, in
   order. */
#ifndef MD_POOL_GATHER_H
#define MD_POOL_GATHER_H

#include "nontemporal.h"
#include "places.h"
#include "pool_work.h"

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

#endif
