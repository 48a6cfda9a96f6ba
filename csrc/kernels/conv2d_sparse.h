/* The gradients of a convolution behind a max-pooling. Only one pixel of each window has a
   gradient, and relu and dropout take some of those: with windows of 2 x 2 at most a quarter of dz
   is not zero, behind dropout of 0.25 less than a fifth. So dz is never written out; its non-zeros
   are listed, and each of them meets its patch of kh x kw x cin reals of x or w:

     by pixel      (co, value) (co, value) ...      dx[patch of the pixel] += value * w[co]
     by channel    (pixel, value) ...               dw[co] += value * x[patch of the pixel]

     x or dx,  |  .  .  .  .  .  |       w or dw, turned: [ci / W][ky ...][co][ky][kx][W]
     a plane   |  . [ ][ ][ ] .  |
     of it     |  . [ patch ] .  |       a chunk is the part of a patch that one tile holds: some of
               |  . [ ][ ][ ] .  |       its rows, every tap across, one vector of channels
               |  .  .  .  .  .  |

   Each element of dx and dw is the chain that the dense kernels make, without the terms that are
   zero times something: the same bits, unless that something is an infinity or NaN. */
#ifndef MD_CONV2D_SPARSE_H
#define MD_CONV2D_SPARSE_H

#include "ahead.h"
#include "conv2d_lists.h"
#include "gather.h"

/* Possible where a pixel has several taps, side by side, and indices fit; for thin images dx has an
   order of its own (conv2d_thin.h). */
INLINE int may_be_sparse(const md_conv *g)
{
    const frame f = x_frame(g);
    return g->pool > 1 && g->groups == 1 && g->dil_w == 1 && g->kw <= GATHER_TAPS &&
           g->kh * g->kw >= 4 && g->cin > 4 && frame_reals(&f) < INT32_MAX / 2 &&
           weight_reals(g) < INT32_MAX / 4;
}

/* Worth it for dx, since the dense kernels meet all weights at every pixel; for dw alone, as of a
   first layer, where the channels of x fill enough of a vector. */
INLINE int is_sparse(const md_conv *g, int wants_dx)
{
    return may_be_sparse(g) && (wants_dx || g->cin >= 8);
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

/* ---- the gradients of a band; planes begin at its first row ---- */

/* Every pixel's patch of dx takes in the weights of its channels; all for one vector of ci, before
   the next, so that the weights stay in L1. Each row asks for some lines of what is wanted next. */
static void sparse_dx(real *planes, const real *turned, const band *b, const md_conv *g,
                      ahead *next)
{
    const frame f = x_frame(g);
    const ptrdiff_t row = g->dil_h * plane_row(&f);
    const chunking s = chunks_of(g);
    md_gather t = {.c_row = row, .c_next = b->step_x, .source_row = g->kw * W,
                   .list = b->by_pixel, .tiles = b->cols};
    for (ptrdiff_t ci = 0; ci < g->cin; ci += W, planes += plane_reals(&f), turned += s.down * s.at)
        for (ptrdiff_t y = 0; y < b->rows; y++) {
            ask(next);
            t.c = planes + y * b->step_y;
            t.source = turned;
            t.first = b->start + y * b->cols;
            t.last = t.first + 1;
            for (ptrdiff_t ky = 0; ky < g->kh; ky += s.rows) {
                gathers[smaller(s.rows, g->kh - ky)][g->kw][g->stride_w == 1](&t);
                t.c += s.rows * row;
                t.source += s.at;
            }
        }
}

/* Every channel's weights take in the patches of x at its pixels. dw is turned. */
static void sparse_dw(real *dw, const real *planes, const band *b, const md_conv *g)
{
    const frame f = x_frame(g);
    const ptrdiff_t row = g->dil_h * plane_row(&f);
    const chunking s = chunks_of(g);
    md_gather t = {.c_row = g->kw * W, .c_next = s.step, .source_row = row,
                   .list = b->by_channel, .first = b->first, .last = b->last, .tiles = g->cout};
    for (ptrdiff_t ci = 0; ci < g->cin; ci += W, planes += plane_reals(&f))
        for (ptrdiff_t ky = 0; ky < g->kh; ky += s.rows, dw += s.at) {
            t.c = dw;
            t.source = planes + ky * row;
            gathers[smaller(s.rows, g->kh - ky)][g->kw][0](&t);
        }
}

/* ---- an image ---- */

INLINE ptrdiff_t sparse_reals(const md_conv *g)  /* scratch of a worker */
{
    const frame f = x_frame(g);
    return 2 * planes_reals(&f) + band_reals(g);
}

/* What an image writes at its end, and what the next one reads, in parts for sparse_dx. */
static ahead after_image(const image_gradients *image, const md_conv *g)
{
    const ptrdiff_t x = x_reals(g), y = y_reals(g);
    const ptrdiff_t rows = g->oh / g->pool * g->pool;
    ahead next = {.parts = larger(1, ceil_div(g->cin, W) * rows)};
    if (image->dx) want(&next, image->dx, (size_t)x * sizeof(real));
    if (image->dw) want(&next, image->x + x, (size_t)x * sizeof(real));
    want(&next, image->dy + y, (size_t)y * sizeof(real));
    if (image->y) want(&next, image->y + y, (size_t)y * sizeof(real));
    want(&next, image->where + y, (size_t)y);
    return next;
}

/* The gradients of one image; dw and db, where wanted, go on with the chains that stand there. */
static void sparse_image(const image_gradients *image, const real *turned, const md_conv *g,
                         real *room)
{
    const frame f = x_frame(g);
    const ptrdiff_t height = band_height(g), rows = g->oh / g->pool;
    real *x = room, *dx = x + planes_reals(&f);
    band b = band_in(dx + planes_reals(&f), g, chunks_of(g).step);
    ahead next = after_image(image, g);

    if (image->dx) memset(dx, 0, (size_t)planes_reals(&f) * sizeof(real));
    if (image->dw) to_planes(x, image->x, &f);
    for (ptrdiff_t r = 0; r < rows; r += height) {
        const ptrdiff_t at = r * g->pool * b.step_y;
        list_band(&b, image->db, image, g, r, smaller(rows, r + height));
        if (image->dx) sparse_dx(dx + at, turned, &b, g, &next);
        if (image->dw) sparse_dw(image->dw, x + at, &b, g);
    }
    if (image->dx) from_planes(image->dx, dx, &f);
}

#endif
