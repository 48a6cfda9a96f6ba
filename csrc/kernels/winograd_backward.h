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

/* One block: `images` images from `first` on, or a strip of one. resume: go on with dU. Its loops
   are shared by the threads where the batch is one slot; within a slot of several they are plain
   ones. */
typedef struct {
    const winograd_backward_work *w;
    gradient_rooms r;
    real *dw, *db;
    ptrdiff_t first, images, strip, count;   /* count: tiles of an image */
    int resume;
    ahead next;
} gradient_block;

/* What the block writes, and what the next one reads. */
static ahead beside_block(const gradient_block *b)
{
    const winograd *s = &b->w->s;
    const backward_work *d = &b->w->direct;
    const md_conv *g = s->g;
    const ptrdiff_t y = y_reals(g) * b->images / s->strips;
    const ptrdiff_t at = (b->first + b->images) * y_reals(g) + b->strip * y;
    ahead next = {.count = 0};
    if (d->wants_dw) want_after_block(&next, d->x, s, b->first, b->images, b->strip);
    if (d->dx && b->strip == 0)
        want(&next, d->dx + b->first * x_reals(g), (size_t)(b->images * x_reals(g)) * sizeof(real));
    want(&next, d->dy + at, (size_t)y * sizeof(real));
    if (g->relu) want(&next, d->y + at, (size_t)y * sizeof(real));
    if (g->pool > 1) want(&next, d->where + at, (size_t)y);
    return next;
}

/* dz of the block's images to the points, and db. */
static void dz_to_points(const gradient_block *b)
{
    const winograd *s = &b->w->s;
    const backward_work *d = &b->w->direct;
    const md_conv *g = s->g;
    const int made = b->strip > 0 && (g->relu || g->pool > 1);  /* dz, by the first strip */
    for (ptrdiff_t i = 0; i < b->images; i++) {
        const ptrdiff_t at = (b->first + i) * y_reals(g);
        const image_gradients image = {.dy = d->dy + at, .y = g->relu ? d->y + at : NULL,
                                       .where = g->pool > 1 ? d->where + at : NULL};
        const real *dz = made ? b->r.dz : dz_image(b->r.dz, &image, g);
        if (d->wants_db && b->strip == 0) db_image(b->db, dz, g, b->resume || i > 0);
        dz_strip(b->r.m + i * b->count * s->outs, dz, s, b->strip);
    }
}

/* And x, for dw. */
static void x_to_points(const gradient_block *b)
{
    const winograd *s = &b->w->s;
    const backward_work *d = &b->w->direct;
    for (ptrdiff_t i = 0; d->wants_dw && i < b->images; i++)
        x_strip(b->r.v + i * b->count * s->in, d->x + (b->first + i) * x_reals(s->g), s, b->strip);
}

static void to_points_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    if (item == 0) dz_to_points(context);
    else x_to_points(context);
}

/* At one point. */
static void gradient_point(void *context, ptrdiff_t point, int worker)
{
    const gradient_block *b = context;
    const winograd *s = &b->w->s;
    const backward_work *d = &b->w->direct;
    real *v = b->r.v + point * s->v_point, *du = b->r.du + point * du_reals(s);
    const real *dm = b->r.m + point * s->m_point;
    (void)worker;
    ask(&b->next, point, POINTS2);
    if (d->wants_dw) du_product(du, v, dm, s, b->images * b->count, b->resume);
    if (d->dx)
        point_product(v, s->in, dm, s->outs, b->w->ut + point * s->ut_point, b->images * b->count,
                      s->g->cout, s->in);
}

/* Back from the points: some rows of dw. */
static void dw_item(void *context, ptrdiff_t item, int worker)
{
    const gradient_block *b = context;
    const winograd *s = &b->w->s;
    const md_conv *g = s->g;
    const ptrdiff_t first = item * WEIGHT_ROWS, tap = g->cin * g->cout;
    (void)worker;
    for (ptrdiff_t i = first; i < smaller(first + WEIGHT_ROWS, g->cin); i++)
        FOR_FEW_VECTORS(j, m, g->cout) {
            const real *du = b->r.du + i * s->outs + j;
            real *dw = b->dw + i * g->cout + j;
            if (s->taps == 3) weights_from_points(dw, tap, du, du_reals(s), m, 3);
            else weights_from_points(dw, tap, du, du_reals(s), m, 5);
        }
}

static void winograd_backward_item(void *context, ptrdiff_t slot, int worker)
{
    const winograd_backward_work *w = context;
    const winograd *s = &w->s;
    const md_conv *g = s->g;
    const ptrdiff_t slots = conv_slots(g), last = (slot + 1) * g->n / slots;
    const double cost = winograd_cost(s) / (double)g->n;
    gradient_block b = {.w = w, .r = rooms_of(w, worker), .dw = w->slots + slot * slot_reals(g)};
    b.db = b.dw + slot_weights(g);
    for (b.first = slot * g->n / slots; b.first < last; b.first += s->images)
        for (b.strip = 0; b.strip < s->strips; b.strip++, b.resume = 1) {
            b.images = smaller(s->images, last - b.first);
            b.count = strip_rows(s, b.strip) * s->wide;
            b.next = beside_block(&b);
            md_parallel_for(2, cost / 4, to_points_item, &b);
            md_parallel_for(POINTS2, cost, gradient_point, &b);
            for (ptrdiff_t i = 0; w->direct.dx && i < b.images; i++) {
                const ptrdiff_t at = (b.first + i) * x_reals(g);
                dx_strip(w->direct.dx + at, b.r.v + i * b.count * s->in, s, b.strip);
                if (g->masks_dx && b.strip + 1 == s->strips)
                    mask_dx(w->direct.dx + at, w->direct.x + at, g);
            }
        }
    if (w->direct.wants_dw)
        md_parallel_for(ceil_div(g->cin, WEIGHT_ROWS), (double)(s->in * s->outs) * 3, dw_item, &b);
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
    md_parallel_for(smaller(conv_slots(g), g->n), winograd_cost(&s), winograd_backward_item, &work);
    if (dw) sum_slots(dw, &work.direct, 0, weight_reals(g));
    if (db) sum_slots(db, &work.direct, slot_weights(g), g->cout);
}

#endif
