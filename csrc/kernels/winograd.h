/* 2-d convolution by Winograd's method: 36 small matrix products instead of 144, for the reason
   that winograd_transform.h gives. A block of tiles at a time, all in L2:

       x  6 x 6 tiles               V: tiles x cin        U: cin x cout          M: tiles x cout
       +----+                       +---------+           +---------+            +---------+
       |  +-+--+  for each tile     | point 0 |     .     | point 0 |     =      | point 0 |
       +--+-+  |  B^T d B           +---------+           +---------+            +---------+
          +----+ -------------->       ...                   ...                    ...
       overlapping by r - 1         +---------+           +---------+            +---------+
                                    | 35      |     .     | 35      |     =      | 35      |
                                    +---------+           +---------+            +---------+
                                                 U = G w G^T, once a call           |
       y  n x n tiles, + bias, relu, pool    <---------- A^T M A -------------------'

   Each element of M is one chain of multiply-adds over cin, and a tile sees the same operations
   wherever it stands, so results do not depend on blocks or threads. They differ from the direct
   ones by rounding: measured and tested, at most about 1e-6 of the largest |y| in float32. */
#ifndef MD_WINOGRAD_H
#define MD_WINOGRAD_H

#include "ahead.h"
#include "conv2d.h"
#include "winograd_geometry.h"
#include "winograd_tiles.h"
#include "winograd_weights.h"

/* More reals of u than these have left L2 when a block comes to them again. So each tile of a
   column asks for a slice of them: the first for the next one, the second for that behind it. */
enum { FAR_WEIGHTS = 1 << 18 };

/* Columns of c = a . u at a point, whole vectors from the group's first on: c (rows, cols),
   a (rows, k). */
static void point_product(real *c, ptrdiff_t c_row, const real *a, ptrdiff_t a_row,
                          const point_weights *u, int point, ptrdiff_t rows, channel_group cols)
{
    const ptrdiff_t k = u->rows, last = round_up(cols.first + cols.count, W);
    const int is_far = POINTS2 * u->point > FAR_WEIGHTS;
    const md_run run = {0, 0};
    md_tile t = {.a_row = a_row, .a_step = 1, .b_step = u->panel, .runs = &run, .nruns = 1,
                 .c_row = c_row};
    for (ptrdiff_t j = cols.first; j < last; j += t.cols) {
        t.cols = smaller(u->panel - j % u->panel, last - j);
        for (ptrdiff_t first = 0; first < k || first == 0; first += SLICE) {
            t.k = smaller(SLICE, k - first);
            const ptrdiff_t slice = t.k * u->panel;
            t.a = a + first;
            t.b = u->u + point * u->point + u_at(u, first, j);
            t.c = c + j;
            t.resume = first > 0;
            if (is_far) ask_in_steps(&t, t.b + slice, slice * (ptrdiff_t)sizeof(real), t.k);
            tile_column(&t, rows);
        }
    }
}

typedef struct {
    winograd s;
    real *y;
    uint8_t *where;
    const real *x, *bias;
    point_weights u;
    uint8_t *made;               /* who has made a u of its own; NULL: all share one */
    real *workers;
    int past;                    /* y goes past the caches */
} winograd_forward_work;

/* The weights for a worker: those of all, or its own, made when it needs them first. */
static point_weights weights_of(const winograd_forward_work *w, int worker)
{
    point_weights own = w->u;
    if (!w->made) return own;
    own.u += worker * POINTS2 * own.point;
    if (!w->made[worker]) make_point_weights(&own);
    w->made[worker] = 1;
    return own;
}

/* The rows of tiles of strip number `strip`: first, and how many. */
INLINE ptrdiff_t strip_rows(const winograd *s, ptrdiff_t strip)
{
    return smaller(s->rows, s->high - strip * s->rows);
}

/* Transform x, some channels of it, of one strip of an image: `v` has room for its tiles. */
static void x_strip(real *v, const real *image, const winograd *s, ptrdiff_t strip,
                    channel_group in)
{
    const md_conv *g = s->g;
    for (ptrdiff_t i = 0; i < strip_rows(s, strip) * s->wide; i++) {
        const ptrdiff_t y = (strip * s->rows + i / s->wide) * s->out - g->pad_h;
        const ptrdiff_t x = i % s->wide * s->out - g->pad_w;
        const square q = square_at(y, x, g->h, g->w, g->cin, POINTS);
        x_tile(v + i * s->in + in.first, s->v_point, image + in.first, &q, in.count);
    }
}

/* y of one strip, which begins at row 0 of `y` and has `height` rows. past: past the caches. */
static void y_strip(real *y, const real *m, const real *bias, const winograd *s, ptrdiff_t strip,
                    ptrdiff_t height, int past)
{
    const md_conv *g = s->g;
    const int relu = g->relu != 0;
    for (ptrdiff_t i = 0; i < strip_rows(s, strip) * s->wide; i++) {
        const square q = square_at(i / s->wide * s->out, i % s->wide * s->out, height, g->ow,
                                   g->cout, s->out);
        const real *from = m + i * s->outs;
        if (s->out == 4) y_tile(y, &q, from, s->m_point, bias, relu, past, g->cout, 4);
        else y_tile(y, &q, from, s->m_point, bias, relu, past, g->cout, 2);
    }
}

/* The same behind windows of 2 x 2; y and where begin with the strip, and have `height` rows. */
static void pooled_strip(real *y, uint8_t *where, const real *m, const real *bias,
                         const winograd *s, ptrdiff_t strip, ptrdiff_t height)
{
    const md_conv *g = s->g;
    const int half = s->out / 2, relu = g->relu != 0;
    for (ptrdiff_t i = 0; i < strip_rows(s, strip) * s->wide; i++) {
        const square q = square_at(i / s->wide * half, i % s->wide * half, height, g->ow / 2,
                                   g->cout, half);
        const real *from = m + i * s->outs;
        if (s->out == 4) pooled_tile(y, where, &q, from, s->m_point, bias, relu, g->cout, 4);
        else pooled_tile(y, where, &q, from, s->m_point, bias, relu, g->cout, 2);
    }
}

/* Output rows of one strip of an image, through the pooling if there is one. */
static void finish_strip(const winograd_forward_work *w, const real *m, ptrdiff_t image,
                         ptrdiff_t strip, real *z)
{
    const winograd *s = &w->s;
    const md_conv *g = s->g;
    const ptrdiff_t p = g->pool, first = strip * s->rows * s->out;
    const ptrdiff_t height = smaller(strip_rows(s, strip) * s->out, g->oh - first);
    const ptrdiff_t at = image * y_reals(g) + first / p * (g->ow / p) * g->cout;
    uint8_t *where = w->where ? w->where + at : NULL;
    if (p == 1) y_strip(w->y + at, m, w->bias, s, strip, height, w->past);
    else if (p == 2) pooled_strip(w->y + at, where, m, w->bias, s, strip, height / 2);
    else {
        y_strip(z, m, w->bias, s, strip, height, 0);
        window_max(w->y + at, where, z, height / p, g->ow / p, g->cout, g->ow, p);
    }
    if (g->drop) drop_tail(g->drop, w->y, at, height / p * (g->ow / p) * g->cout);
}

/* The rows of x behind those of a block, which the next one reads. */
static void want_after_block(ahead *next, const real *x, const winograd *s, ptrdiff_t first,
                             ptrdiff_t images, ptrdiff_t strip)
{
    const md_conv *g = s->g;
    const ptrdiff_t row = g->w * g->cin, rows = smaller(s->rows * s->out, g->h);
    const ptrdiff_t end = (first + images - 1) * g->h + smaller((strip + 1) * rows, g->h);
    want(next, x + end * row, (size_t)(images * rows * row) * sizeof(real));
}

static void winograd_item(void *context, ptrdiff_t item, int worker)
{
    const winograd_forward_work *w = context;
    const winograd *s = &w->s;
    const md_conv *g = s->g;
    const ptrdiff_t strip = item % s->strips, first = item / s->strips * s->images;
    const channel_group in = {0, g->cin}, out = {0, g->cout};
    const point_weights u = weights_of(w, worker);
    const ptrdiff_t images = smaller(s->images, g->n - first);
    const ptrdiff_t count = strip_rows(s, strip) * s->wide;
    real *v = w->workers + worker * forward_worker_reals(s);
    real *m = v + POINTS2 * s->v_point, *z = m + POINTS2 * s->m_point;
    for (ptrdiff_t i = 0; i < images; i++)
        x_strip(v + i * count * s->in, w->x + (first + i) * x_reals(g), s, strip, in);
    ahead next = {.parts = POINTS2};
    want_after_block(&next, w->x, s, first, images, strip);
    for (int p = 0; p < POINTS2; p++) {
        ask(&next);
        point_product(m + p * s->m_point, s->outs, v + p * s->v_point, s->in, &u, p,
                      images * count, out);
    }
    for (ptrdiff_t i = 0; i < images; i++)
        finish_strip(w, m + i * count * s->outs, first + i, strip, z);
}

static void winograd_forward(real *y, uint8_t *where, const real *x, const real *w,
                             const real *bias, const md_conv *g, real *scratch)
{
    const winograd s = winograd_of(g, 0);
    const int copies = weight_copies(&s), workers = md_workers();
    uint8_t made[workers];
    memset(made, 0, (size_t)workers);
    winograd_forward_work work = {
        .s = s, .y = y, .where = where, .x = x, .bias = bias, .made = copies > 1 ? made : NULL,
        .u = {scratch, masked_weights(g, w), s.u_point, g->cin, g->cout, NR, s.taps, 0},
        .workers = scratch + copies * POINTS2 * s.u_point,
        .past = g->pool == 1 && !g->drop && lines_go_past(y, g->n * y_reals(g), g->cout)};
    if (copies == 1) make_point_weights(&work.u);
    md_parallel_for(forward_blocks(&s), winograd_cost(&s), winograd_item, &work);
}

#endif
