/* What is not zero in dz behind a max-pooling: lists of it, by pixel and by channel.

     by pixel      (co, value) (co, value) ...       in reading order
     by channel    (pixel, value) ...

   An image goes by in bands of window rows, so that what a list meets of x stays in L1. */
#ifndef MD_CONV2D_LISTS_H
#define MD_CONV2D_LISTS_H

#include "conv_geometry.h"
#include "gather.h"
#include "places.h"
#include "planes.h"

enum { BAND_REALS = 6656 };  /* of a plane of x, about, which stay in L1 */

typedef struct {
    ptrdiff_t rows, cols;      /* pixels in windows */
    ptrdiff_t step_y, step_x;  /* from one to the next in a plane */
    ptrdiff_t step_co;         /* from a channel to the next in turned weights */
    ptrdiff_t windows;         /* room for so many in the list of a channel */
    uint64_t *live;            /* of a row of windows: [window][64 channels][place], bits */
    ireal *start;              /* by pixel, in reading order: where its entries begin */
    md_entry *by_pixel;        /* at: the channel's place in turned weights */
    ireal *first, *last;       /* by channel: its first entry, and one behind its last */
    md_entry *by_channel;      /* [channel][windows], at: in a plane, from the band's row 0 on */
} band;

/* Rows of windows in a band. */
INLINE ptrdiff_t band_height(const md_conv *g)
{
    const frame f = x_frame(g);
    const ptrdiff_t lines = BAND_REALS / larger(1, plane_row(&f)) - g->kh;
    return larger(1, smaller(lines / (g->pool * g->stride_h), g->oh / g->pool));
}

INLINE ptrdiff_t band_entries(const md_conv *g)
{
    return round_up(band_height(g) * (g->ow / g->pool) * g->cout, 16) + 16;
}
INLINE ptrdiff_t band_reals(const md_conv *g)
{
    const ptrdiff_t pixels = band_height(g) * g->pool * g->ow;
    const ptrdiff_t live = g->ow * g->pool * ceil_div(g->cout, 64) * (ptrdiff_t)sizeof(uint64_t);
    return 4 * band_entries(g) + 2 * round_up(g->cout, 16) + round_up(pixels + 1, 16) +
           round_up(ceil_div(live, (ptrdiff_t)sizeof(real)), 16);
}

static band band_in(real *room, const md_conv *g, ptrdiff_t step_co)
{
    const ptrdiff_t entries = band_entries(g);
    const frame f = x_frame(g);
    band b = {.cols = g->ow / g->pool * g->pool, .step_y = g->stride_h * plane_row(&f),
              .step_x = g->stride_w * W, .step_co = step_co,
              .windows = band_height(g) * (g->ow / g->pool)};
    b.by_pixel = (md_entry *)room, room += 2 * entries;
    b.by_channel = (md_entry *)room, room += 2 * entries;
    b.first = (ireal *)room, room += round_up(g->cout, 16);
    b.last = (ireal *)room, room += round_up(g->cout, 16);
    b.start = (ireal *)room, room += round_up(band_height(g) * g->pool * g->ow + 1, 16);
    b.live = (uint64_t *)room;
    return b;
}

/* Which of 64 channels, from j0 on, have an entry at each place of the window at `at`: those that
   won there, were let through by relu, and have a gradient. */
INLINE void live_channels(uint64_t *live, const image_gradients *image, const md_conv *g,
                          real scale, ptrdiff_t at, ptrdiff_t j0, const ptrdiff_t places)
{
    const ptrdiff_t channels = smaller(64, g->cout - j0);
    for (ptrdiff_t q = 0; q < places; q++) live[q] = 0;
    FOR_FEW_VECTORS(j, m, channels) {
        const ptrdiff_t i = at + j0 + j;
        const vi place = load_places(image->where, i, m, 0);
        vm on = not_(eq(load_some(image->dy + i, m) * set1(scale), zero()));
        if (image->y) on = and_(on, lt(zero(), load_some(image->y + i, m)));
        if (m < W) on = and_(on, first_lanes(m));
        for (ptrdiff_t q = 0; q < places; q++)
            live[q] |= (uint64_t)bits_from_mask(and_(on, same(place, set1_int(q)))) << j;
    }
}

/* A row of windows from `at` on: live [window][64 channels][place]. This and list_pixel are not
   inlined: among all that a backward holds, their loops would run on spilled registers. */
static __attribute__((noinline)) void live_windows(uint64_t *live, const image_gradients *image,
                                                   const md_conv *g, real scale, ptrdiff_t at)
{
    const ptrdiff_t places = g->pool * g->pool, end = at + g->ow / g->pool * g->cout;
    for (; at < end; at += g->cout)
        for (ptrdiff_t j0 = 0; j0 < g->cout; j0 += 64, live += places)
            if (places == 4) live_channels(live, image, g, scale, at, j0, 4);
            else live_channels(live, image, g, scale, at, j0, places);
}

/* The entries of one pixel's channels, `live` of those from j0 on, in both lists, after the n by
   pixel that stand there. db, unless NULL, takes them in passing. dy: of channel 0. in_x: where the
   pixel's patch begins. Returns the new n. */
static __attribute__((noinline)) ptrdiff_t list_pixel(const band *b, real *db, const real *dy,
                                                      real scale, uint64_t live, ptrdiff_t j0,
                                                      ptrdiff_t in_x, ptrdiff_t n)
{
    md_entry *by_pixel = b->by_pixel + n, *const by_channel = b->by_channel;
    ireal *const last = b->last;
    const ireal step = (ireal)b->step_co;
    for (; live; live &= live - 1) {
        const ireal co = (ireal)(j0 + __builtin_ctzll(live));
        const real d = dy[co] * scale;
        put_entry(by_pixel++, co * step, d);
        put_entry(by_channel + last[co]++, (ireal)in_x, d);
        if (db) db[co] += d;
    }
    return by_pixel - b->by_pixel;
}

/* Window rows r0 .. r1, pixel by pixel in reading order. */
static void list_band(band *b, real *db, const image_gradients *image, const md_conv *g,
                      ptrdiff_t r0, ptrdiff_t r1)
{
    const ptrdiff_t p = g->pool, places = p * p, across = g->ow / p, groups = ceil_div(g->cout, 64);
    const real scale = drop_scale(g);
    ireal *start = b->start;
    ptrdiff_t n = 0;
    b->rows = (r1 - r0) * p;
    for (ptrdiff_t co = 0; co < g->cout; co++)
        b->first[co] = b->last[co] = (ireal)(co * b->windows);
    for (ptrdiff_t r = r0; r < r1; r++) {
        const ptrdiff_t first = r * across * g->cout, end = first + across * g->cout;
        live_windows(b->live, image, g, scale, first);
        for (ptrdiff_t qy = 0; qy < p; qy++) {
            ptrdiff_t in_x = ((r - r0) * p + qy) * b->step_y;
            const uint64_t *live = b->live + qy * p;
            for (ptrdiff_t at = first; at < end; at += g->cout, live += groups * places)
                for (ptrdiff_t qx = 0; qx < p; qx++, in_x += b->step_x) {
                    *start++ = (ireal)n;
                    for (ptrdiff_t j = 0; j < groups; j++)
                        n = list_pixel(b, db, image->dy + at, scale, live[j * places + qx], 64 * j,
                                       in_x, n);
                }
        }
    }
    *start = (ireal)n;
}

#endif
