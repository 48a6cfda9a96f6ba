/* The gradients of Winograd's convolution: each step of winograd.h transposed, in reverse order. So
   they are the derivative of what the forward computed, and not of another way to compute it.

       dM = A dz A^T        once, for both:     dU += V^T dM     dw = G^T dU G, at the end of a slot
                                                dV  = dM U^T     dx += B dV B^T, overlapping tiles

   V is made again from x, and dV takes its place. Slots over the batch are those of
   conv2d_backward.h, as are dz and db. */
#ifndef MD_WINOGRAD_BACKWARD_H
#define MD_WINOGRAD_BACKWARD_H

#include "conv2d_backward.h"
#include "winograd.h"

typedef struct {
    winograd s;
    backward_work direct;            /* the operands, and what is shared with the direct kernel */
    real *slots, *workers;
    const real *ut;                  /* the transformed weights, transposed: [panel][cout][NR] */
} winograd_backward_work;

/* Rooms of one worker. */
typedef struct { real *v, *m, *du, *dz; } gradient_rooms;

static gradient_rooms rooms_of(const winograd_backward_work *w, int worker)
{
    const winograd *s = &w->s;
    gradient_rooms r;
    r.v = w->workers + worker * backward_worker_reals(s);
    r.m = r.v + POINTS2 * s->v_point;
    r.du = r.m + POINTS2 * s->m_point;
    r.dz = r.du + POINTS2 * du_reals(s);
    return r;
}

static void dz_strip(real *dm, const real *dz, const winograd *s, ptrdiff_t strip)
{
    const md_conv *g = s->g;
    for (ptrdiff_t i = 0; i < strip_rows(s, strip) * s->wide; i++) {
        const ptrdiff_t y = (strip * s->rows + i / s->wide) * s->out, x = i % s->wide * s->out;
        const square q = square_at(y, x, g->oh, g->ow, g->cout, s->out);
        real *to = dm + i * s->outs;
        if (s->out == 4) dz_tile(to, s->m_point, dz, &q, g->cout, 4);
        else dz_tile(to, s->m_point, dz, &q, g->cout, 2);
    }
}

static void dx_strip(real *dx, const real *dv, const winograd *s, ptrdiff_t strip)
{
    const md_conv *g = s->g;
    if (strip == 0) memset(dx, 0, (size_t)x_reals(g) * sizeof(real));
    for (ptrdiff_t i = 0; i < strip_rows(s, strip) * s->wide; i++) {
        const ptrdiff_t y = (strip * s->rows + i / s->wide) * s->out - g->pad_h;
        const ptrdiff_t x = i % s->wide * s->out - g->pad_w;
        const square q = square_at(y, x, g->h, g->w, g->cin, POINTS);
        dx_tile(dx, &q, dv + i * s->in, s->v_point, g->cin);
    }
}

/* du (cin, outs) (+)= v (count, cin)^T dm (count, outs): a chain over the tiles. */
static void du_product(real *du, const real *v, const real *dm, const winograd *s, ptrdiff_t count,
                       int resume)
{
    const md_run run = {0, 0};
    md_tile t = {.a = v, .a_row = 1, .a_step = s->in, .b_step = s->outs, .runs = &run, .nruns = 1,
                 .k = count, .c_row = s->outs, .resume = resume};
    for (ptrdiff_t j = 0; j < s->outs; j += NR) {
        t.cols = smaller(NR, s->outs - j);
        t.b = dm + j;
        t.c = du + j;
        tile_column(&t, s->g->cin);
    }
}

/* One block: `images` images from `first` on, or a strip of one. resume: go on with dU. */
static void gradient_block(const winograd_backward_work *w, const gradient_rooms *r, real *db,
                           ptrdiff_t first, ptrdiff_t images, ptrdiff_t strip, int resume)
{
    const winograd *s = &w->s;
    const backward_work *d = &w->direct;
    const md_conv *g = s->g;
    const ptrdiff_t count = strip_rows(s, strip) * s->wide;
    const int made = strip > 0 && (g->relu || g->pool > 1);  /* dz, by the first strip */
    for (ptrdiff_t i = 0; i < images; i++) {
        const ptrdiff_t at = (first + i) * y_reals(g);
        const image_gradients image = {.dy = d->dy + at, .y = g->relu ? d->y + at : NULL,
                                       .where = g->pool > 1 ? d->where + at : NULL};
        const real *dz = made ? r->dz : dz_image(r->dz, &image, g);
        if (d->wants_db && strip == 0) db_image(db, dz, g, resume || i > 0);
        if (d->wants_dw)
            x_strip(r->v + i * count * s->in, d->x + (first + i) * x_reals(g), s, strip);
        dz_strip(r->m + i * count * s->outs, dz, s, strip);
    }
    for (int p = 0; p < POINTS2; p++) {
        real *v = r->v + p * s->v_point;
        const real *dm = r->m + p * s->m_point;
        if (d->wants_dw) du_product(r->du + p * du_reals(s), v, dm, s, images * count, resume);
        if (d->dx)
            point_product(v, s->in, dm, s->outs, w->ut + p * s->ut_point, images * count, g->cout,
                          s->in);
    }
    if (d->dx)
        for (ptrdiff_t i = 0; i < images; i++)
            dx_strip(d->dx + (first + i) * x_reals(g), r->v + i * count * s->in, s, strip);
}

static void winograd_backward_item(void *context, ptrdiff_t slot, int worker)
{
    const winograd_backward_work *w = context;
    const winograd *s = &w->s;
    const md_conv *g = s->g;
    const ptrdiff_t slots = conv_slots(g), first = slot * g->n / slots;
    const ptrdiff_t last = (slot + 1) * g->n / slots, tap = g->cin * g->cout;
    const gradient_rooms r = rooms_of(w, worker);
    real *dw = w->slots + slot * slot_reals(g), *db = dw + slot_weights(g);
    for (ptrdiff_t image = first; image < last; image += s->images)
        for (ptrdiff_t strip = 0; strip < s->strips; strip++)
            gradient_block(w, &r, db, image, smaller(s->images, last - image), strip,
                           image > first || strip > 0);
    if (!w->direct.wants_dw) return;
    for (ptrdiff_t i = 0; i < g->cin; i++)
        FOR_VECTORS(j, m, g->cout) {
            const real *du = r.du + i * s->outs + j;
            if (s->taps == 3) weights_from_points(dw + i * g->cout + j, tap, du, du_reals(s), m, 3);
            else weights_from_points(dw + i * g->cout + j, tap, du, du_reals(s), m, 5);
        }
}

static void winograd_backward(real *dx, real *dw, real *db, const real *x, const real *w,
                              const real *dy, const real *y, const uint8_t *where,
                              const md_conv *g, real *scratch)
{
    const winograd s = winograd_of(g, 1);
    real *ut = scratch, *turned = ut + POINTS2 * s.ut_point;
    real *slots = turned + round_up(weight_reals(g), 16);
    winograd_backward_work work = {
        .s = s, .slots = slots, .workers = slots + conv_slots(g) * slot_reals(g), .ut = ut,
        .direct = {dx, dw != NULL, db != NULL, x, w, dy, y, where, g, .room = {.slots = slots}}};
    if (dx) {
        const masked from = masked_weights(g, w);
        for (ptrdiff_t tap = 0, at = 0; tap < g->kh * g->kw; tap++, at += g->cin * g->cout)
            copy_turned(turned + at, g->cin, &from, at, g->cout, g->cin, g->cout);
        weights_to_panels((weights_work){ut, {.data = turned}, s.ut_point, g->cout, g->cin,
                                         s.taps});
    }
    const double flop = 2.0 * (double)(g->n * s.high * s.wide) * (double)(s.in * s.outs) * POINTS2;
    md_parallel_for(smaller(conv_slots(g), g->n), flop / 50, winograd_backward_item, &work);
    if (dw) sum_slots(dw, &work.direct, 0, weight_reals(g));
    if (db) sum_slots(db, &work.direct, slot_weights(g), g->cout);
}

#endif
