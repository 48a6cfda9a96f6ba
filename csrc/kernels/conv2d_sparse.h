/* The gradients of a convolution behind a max-pooling. Only one pixel of each window has a
   gradient, and relu and dropout take some of those: with windows of 2 x 2 at most a quarter of dz
   is not zero, behind dropout of 0.25 less than a fifth. So dz is never written out; its non-zeros
   are listed, and each of them meets its patch of kh x kw x cin reals of x or w:

     by pixel      (co, value) (co, value) ...      dx[patch of the pixel] += value * w[co]
     by channel    (pixel, value) ...               dw[co] += value * x[patch of the pixel]

     x or dx   |  .  .  .  .  .  |       w or dw, turned: [ci / W][ky ...][co][ky][kx][W]
               |  . [ ][ ][ ] .  |
               |  . [ patch ] .  |       a chunk is the part of a patch that one tile holds: some of
               |  . [ ][ ][ ] .  |       its rows, every tap across, one vector of channels
               |  .  .  .  .  .  |

   An image goes by in bands of window rows, so that what a list meets of x stays in L1.

   Each element of dx and dw is the chain that the dense kernels make, without the terms that are
   zero times something: the same bits, unless that something is an infinity or NaN. */
#ifndef MD_CONV2D_SPARSE_H
#define MD_CONV2D_SPARSE_H

#include "conv_geometry.h"
#include "gather.h"
#include "places.h"

enum { BAND_REALS = 10240 };  /* of x, about: of these one vector of channels at a time is in L1 */

/* Worth it where a pixel has several taps and half a vector of channels, and indices fit. */
INLINE int is_sparse(const md_conv *g)
{
    const frame f = x_frame(g);
    return g->pool > 1 && g->groups == 1 && g->kw <= GATHER_TAPS && g->kh * g->kw >= 4 &&
           g->cin >= 8 && frame_reals(&f) < INT32_MAX / 2 && weight_reals(g) < INT32_MAX / 4;
}

/* ---- chunks of a patch ---- */

typedef struct {
    ptrdiff_t rows, down;     /* of the tallest; how many below each other */
    ptrdiff_t step, at;       /* in turned weights: from one co to the next, from chunk to chunk */
} chunking;

static chunking chunks_of(const md_conv *g)
{
    const ptrdiff_t down = ceil_div(g->kh, gather_rows(g->kw)), rows = ceil_div(g->kh, down);
    const ptrdiff_t step = rows * g->kw * W;
    return (chunking){rows, down, step, g->cout * step};
}

INLINE ptrdiff_t turned_reals(const md_conv *g)
{
    const chunking s = chunks_of(g);
    return round_up(ceil_div(g->cin, W) * s.down * s.at, 16);
}

/* Where a tap of channels ci .. ci + W - 1 stands in turned weights, for co = 0. */
INLINE ptrdiff_t turned_tap(const md_conv *g, const chunking *s, ptrdiff_t ci, ptrdiff_t tap)
{
    const ptrdiff_t most = s->rows * g->kw;
    return (ci / W * s->down + tap / most) * s->at + tap % most * W;
}

/* Every chunk of taps x lanes x cout, from w (kh, kw, cin, cout) or back to it. */
static void turn_weights(real *turned, const real *w, const md_conv *g)
{
    const chunking s = chunks_of(g);
    for (ptrdiff_t ci = 0; ci < g->cin; ci += W)
        for (ptrdiff_t tap = 0; tap < g->kh * g->kw; tap++)
            copy_transposed(turned + turned_tap(g, &s, ci, tap), s.step,
                            w + (tap * g->cin + ci) * g->cout, g->cout, smaller(W, g->cin - ci),
                            g->cout);
}

static void turn_back(real *w, const real *turned, const md_conv *g)
{
    const chunking s = chunks_of(g);
    for (ptrdiff_t ci = 0; ci < g->cin; ci += W)
        for (ptrdiff_t tap = 0; tap < g->kh * g->kw; tap++)
            copy_transposed(w + (tap * g->cin + ci) * g->cout, g->cout,
                            turned + turned_tap(g, &s, ci, tap), s.step, g->cout,
                            smaller(W, g->cin - ci));
}

/* ---- bands: rows of windows, and what is not zero in them ---- */

typedef struct {
    ptrdiff_t rows, cols;    /* pixels in windows, and step_y, step_x from one to the next in x */
    ptrdiff_t step_y, step_x;
    ptrdiff_t windows;       /* room for so many in the list of a channel */
    ireal *start;            /* by pixel, in reading order: where its entries begin */
    ireal *channel;
    real *value;
    ireal *first, *last;     /* by channel: its first entry, and one behind its last */
    ireal *pixel;            /* [channel][windows]: where in x, from the band's first row on */
    real *pixel_value;
} band;

/* Rows of windows in a band. */
INLINE ptrdiff_t band_height(const md_conv *g)
{
    const ptrdiff_t lines = BAND_REALS / larger(1, x_frame(g).row) - g->kh;
    return larger(1, smaller(lines / (g->pool * g->stride_h), g->oh / g->pool));
}

INLINE ptrdiff_t band_entries(const md_conv *g)
{
    return round_up(band_height(g) * (g->ow / g->pool) * g->cout, 16) + 16;
}
INLINE ptrdiff_t band_reals(const md_conv *g)
{
    const ptrdiff_t pixels = band_height(g) * g->pool * g->ow;
    return 4 * band_entries(g) + 2 * round_up(g->cout, 16) + round_up(pixels + 1, 16);
}

static band band_in(real *room, const md_conv *g)
{
    const ptrdiff_t entries = band_entries(g);
    band b = {.cols = g->ow / g->pool * g->pool, .step_y = g->stride_h * x_frame(g).row,
              .step_x = g->stride_w * g->cin, .windows = band_height(g) * (g->ow / g->pool)};
    b.value = room, room += entries;
    b.pixel_value = room, room += entries;
    b.channel = (ireal *)room, room += entries;
    b.pixel = (ireal *)room, room += entries;
    b.first = (ireal *)room, room += round_up(g->cout, 16);
    b.last = (ireal *)room, room += round_up(g->cout, 16);
    b.start = (ireal *)room;
    return b;
}

/* Which of channels j0 .. j0 + 63 have an entry in the window at `at`, whose winner stands at place
   `here`: those that won there, were let through by relu, and have a gradient. */
INLINE uint64_t live_channels(const image_gradients *image, ptrdiff_t channels, real scale,
                              ptrdiff_t at, ptrdiff_t here, ptrdiff_t j0)
{
    uint64_t live = 0;
    FOR_VECTORS(j, m, smaller(64, channels - j0)) {
        const ptrdiff_t i = at + j0 + j;
        vm on = same(load_places(image->where, i, m, 0), set1_int(here));
        on = and_(on, not_(eq(load_some(image->dy + i, m) * set1(scale), zero())));
        if (image->y) on = and_(on, lt(zero(), load_some(image->y + i, m)));
        if (m < W) on = and_(on, first_lanes(m));
        live |= (uint64_t)bits_from_mask(on) << j;
    }
    return live;
}

/* One pixel's entries, in both lists, after the n by pixel that stand there. db, unless NULL, takes
   them in passing. in_x: where the pixel's patch begins. Returns the new n. */
INLINE ptrdiff_t list_pixel(band *b, real *db, const image_gradients *image, ptrdiff_t channels,
                            real scale, ptrdiff_t at, ptrdiff_t here, ptrdiff_t in_x, ptrdiff_t n)
{
    for (ptrdiff_t j0 = 0; j0 < channels; j0 += 64) {
        uint64_t live = live_channels(image, channels, scale, at, here, j0);
        for (; live; live &= live - 1) {
            const ptrdiff_t co = j0 + __builtin_ctzll(live), to = b->last[co]++;
            const real d = image->dy[at + co] * scale;
            b->channel[n] = (ireal)co;
            b->value[n++] = d;
            b->pixel[to] = (ireal)in_x;
            b->pixel_value[to] = d;
            if (db) db[co] += d;
        }
    }
    return n;
}

/* Window rows r0 .. r1, pixel by pixel in reading order. */
static void list_band(band *b, real *db, const image_gradients *image, const md_conv *g,
                      ptrdiff_t r0, ptrdiff_t r1)
{
    const ptrdiff_t p = g->pool, across = g->ow / p;
    const real scale = drop_scale(g);
    ireal *start = b->start;
    ptrdiff_t n = 0;
    b->rows = (r1 - r0) * p;
    for (ptrdiff_t co = 0; co < g->cout; co++)
        b->first[co] = b->last[co] = (ireal)(co * b->windows);
    for (ptrdiff_t r = r0, y = 0; r < r1; r++)
        for (ptrdiff_t qy = 0; qy < p; qy++, y++) {
            ptrdiff_t in_x = y * b->step_y;
            for (ptrdiff_t window = r * across; window < (r + 1) * across; window++)
                for (ptrdiff_t qx = 0; qx < p; qx++, in_x += b->step_x) {
                    *start++ = (ireal)n;
                    n = list_pixel(b, db, image, g->cout, scale, window * g->cout, qy * p + qx,
                                   in_x, n);
                }
        }
    *start = (ireal)n;
}

/* ---- the gradients of a band; x and dx begin at its first row ---- */

/* Every pixel's patch of dx takes in the weights of its channels; all for one vector of ci, before
   the next, so that the weights stay in L1. */
static void sparse_dx(real *dx, const real *turned, const band *b, const md_conv *g)
{
    const ptrdiff_t row = g->dil_h * x_frame(g).row, tap = g->dil_w * g->cin;
    const chunking s = chunks_of(g);
    md_gather t = {.c_row = row, .c_tap = tap, .c_next = b->step_x, .step = s.step,
                   .index = b->channel, .value = b->value, .tiles = b->cols};
    for (ptrdiff_t ci = 0; ci < g->cin; ci += W, turned += s.down * s.at) {
        t.lanes = smaller(W, g->cin - ci);
        for (ptrdiff_t y = 0; y < b->rows; y++) {
            t.c = dx + y * b->step_y + ci;
            t.source = turned;
            t.first = b->start + y * b->cols;
            t.last = t.first + 1;
            for (ptrdiff_t ky = 0; ky < g->kh; ky += s.rows) {
                gathers[smaller(s.rows, g->kh - ky)][g->kw][1][t.lanes < W](&t);
                t.c += s.rows * row;
                t.source += s.at;
            }
        }
    }
}

/* Every channel's weights take in the patches of x at its pixels. dw is turned. */
static void sparse_dw(real *dw, const real *x, const band *b, const md_conv *g)
{
    const ptrdiff_t row = g->dil_h * x_frame(g).row, tap = g->dil_w * g->cin;
    const chunking s = chunks_of(g);
    md_gather t = {.c_row = g->kw * W, .c_tap = W, .c_next = s.step, .source_row = row,
                   .source_tap = tap, .step = 1, .index = b->pixel, .value = b->pixel_value,
                   .first = b->first, .last = b->last, .tiles = g->cout};
    for (ptrdiff_t ci = 0; ci < g->cin; ci += W)
        for (ptrdiff_t ky = 0; ky < g->kh; ky += s.rows, dw += s.at) {
            t.c = dw;
            t.source = x + ky * row + ci;
            t.lanes = smaller(W, g->cin - ci);
            gathers[smaller(s.rows, g->kh - ky)][g->kw][0][t.lanes < W](&t);
        }
}

/* ---- an image ---- */

INLINE ptrdiff_t sparse_reals(const md_conv *g)  /* scratch of a worker: dx in its frame, lists */
{
    const frame f = x_frame(g);
    return frame_reals(&f) + band_reals(g);
}

/* The gradients of one image; dw and db, where wanted, go on with the chains that stand there.
   border: x in its frame, if it has one, goes there. */
static void sparse_image(const image_gradients *image, const real *turned, const md_conv *g,
                         real *border, real *room)
{
    const frame f = x_frame(g);
    const real *x = image->x;
    real *dx = is_framed(&f) ? room : image->dx;
    const ptrdiff_t height = band_height(g), rows = g->oh / g->pool;
    band b = band_in(room + frame_reals(&f), g);

    if (image->dx) memset(dx, 0, (size_t)(f.rows * f.row) * sizeof(real));
    if (image->dw && is_framed(&f)) {
        copy_framed(border, x, &f, 0, f.rows);
        x = border;
    }
    for (ptrdiff_t r = 0; r < rows; r += height) {
        const ptrdiff_t at = r * g->pool * b.step_y;
        list_band(&b, image->db, image, g, r, smaller(rows, r + height));
        if (image->dx) sparse_dx(dx + at, turned, &b, g);
        if (image->dw) sparse_dw(image->dw, x + at, &b, g);
    }
    if (image->dx && is_framed(&f))
        for (ptrdiff_t y = 0; y < f.h; y++)
            copy_row(image->dx + y * f.w * f.c, dx + (y + f.top) * f.row + f.left * f.c, f.w * f.c);
}

#endif
