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
    channel_groups groups;           /* of channels of x */
    point_weights ut;                /* transposed */
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

/* Some channels of dx, which begin at `dx`. */
static void dx_strip(real *dx, const real *dv, const winograd *s, ptrdiff_t strip,
                     ptrdiff_t channels)
{
    const md_conv *g = s->g;
    for (ptrdiff_t i = 0; i < strip_rows(s, strip) * s->wide; i++) {
        const ptrdiff_t y = (strip * s->rows + i / s->wide) * s->out - g->pad_h;
        const ptrdiff_t x = i % s->wide * s->out - g->pad_w;
        const square q = square_at(y, x, g->h, g->w, g->cin, POINTS);
        dx_tile(dx, &q, dv + i * s->in, s->v_point, channels);
    }
}

/* Rows of du (cin, outs) (+)= v (count, cin)^T dm (count, outs): a chain over the tiles. */
static void du_product(real *du, const real *v, const real *dm, const winograd *s, ptrdiff_t count,
                       channel_group in, int resume)
{
    const md_run run = {0, 0};
    md_tile t = {.a = v + in.first, .a_row = 1, .a_step = s->in, .b_step = s->outs, .runs = &run,
                 .nruns = 1, .k = count, .c_row = s->outs, .resume = resume};
    for (ptrdiff_t j = 0; j < s->outs; j += NR) {
        t.cols = smaller(NR, s->outs - j);
        t.b = dm + j;
        t.c = du + in.first * s->outs + j;
        tile_column(&t, in.count);
    }
}

/* One block: `images` images from `first` on, or a strip of one, and a group of channels of x.
   resume: go on with dU. */
typedef struct {
    const winograd_backward_work *w;
    gradient_rooms r;
    channel_group in;
    real *dw, *db;
    ptrdiff_t first, images, strip, count;   /* count: tiles of an image */
    int resume;
} gradient_block;

/* What the block writes, and what the next one reads. */
static ahead beside_block(const gradient_block *b)
{
    const winograd *s = &b->w->s;
    const backward_work *d = &b->w->direct;
    const md_conv *g = s->g;
    const ptrdiff_t y = y_reals(g) * b->images / s->strips;
    const ptrdiff_t at = (b->first + b->images) * y_reals(g) + b->strip * y;
    ahead next = {.parts = POINTS2};
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
        if (b->db && b->strip == 0)
            db_pixels(b->db, dz, g->oh * g->ow, g->cout, b->resume || i > 0);
        dz_strip(b->r.m + i * b->count * s->outs, dz, s, b->strip);
    }
}

/* And x, for dw. */
static void x_to_points(const gradient_block *b)
{
    const winograd *s = &b->w->s;
    const real *x = b->w->direct.x + b->first * x_reals(s->g);
    for (ptrdiff_t i = 0; i < b->images; i++)
        x_strip(b->r.v + i * b->count * s->in, x + i * x_reals(s->g), s, b->strip, b->in);
}

/* The products at all points. */
static void at_points(const gradient_block *b)
{
    const winograd *s = &b->w->s;
    const backward_work *d = &b->w->direct;
    ahead next = beside_block(b);
    const ptrdiff_t tiles = b->images * b->count;
    for (int p = 0; p < POINTS2; p++) {
        real *v = b->r.v + p * s->v_point;
        const real *dm = b->r.m + p * s->m_point;
        ask(&next);
        if (d->wants_dw) du_product(b->r.du + p * du_reals(s), v, dm, s, tiles, b->in, b->resume);
        if (d->dx) point_product(v, s->in, dm, s->outs, &b->w->ut, p, tiles, b->in);
    }
}

/* Back from the points: dx of the block's images. */
static void dx_from_points(const gradient_block *b)
{
    const winograd *s = &b->w->s;
    const backward_work *d = &b->w->direct;
    const md_conv *g = s->g;
    const ptrdiff_t from = b->in.first;
    const int all = b->in.count == g->cin;      /* channels, so that pixels are one row of reals */
    const ptrdiff_t rows = all ? 1 : g->h * g->w, reals = all ? x_reals(g) : b->in.count;
    for (ptrdiff_t i = 0; i < b->images; i++) {
        const ptrdiff_t at = (b->first + i) * x_reals(g) + from;
        real *dx = d->dx + at;
        if (b->strip == 0)
            for (ptrdiff_t row = 0; row < rows; row++)
                FOR_FEW_VECTORS(j, m, reals) store_some(dx + row * g->cin + j, zero(), m);
        dx_strip(dx, b->r.v + i * b->count * s->in + from, s, b->strip, b->in.count);
        if (g->masks_dx && b->strip + 1 == s->strips)
            for (ptrdiff_t row = 0; row < rows; row++)
                mask_dx(dx + row * g->cin, d->x + at + row * g->cin, reals);
    }
}

/* And rows of dw. */
static void dw_from_points(const gradient_block *b)
{
    const winograd *s = &b->w->s;
    const md_conv *g = s->g;
    const ptrdiff_t tap = g->cin * g->cout;
    for (ptrdiff_t i = b->in.first; i < b->in.first + b->in.count; i++)
        FOR_FEW_VECTORS(j, m, g->cout) {
            const real *du = b->r.du + i * s->outs + j;
            real *dw = b->dw + i * g->cout + j;
            if (s->taps == 3) weights_from_points(dw, tap, du, du_reals(s), m, 3);
            else weights_from_points(dw, tap, du, du_reals(s), m, 5);
        }
}

static void winograd_backward_item(void *context, ptrdiff_t item, int worker)
{
    const winograd_backward_work *w = context;
    const winograd *s = &w->s;
    const md_conv *g = s->g;
    const ptrdiff_t slots = conv_slots(g), slot = item % slots, group = item / slots;
    const ptrdiff_t last = (slot + 1) * g->n / slots;
    gradient_block b = {.w = w, .r = rooms_of(w, worker), .dw = w->slots + slot * slot_reals(g),
                        .in = group_at(&w->groups, group)};
    if (w->direct.wants_db && group == 0) b.db = b.dw + slot_weights(g);
    for (b.first = slot * g->n / slots; b.first < last; b.first += s->images)
        for (b.strip = 0; b.strip < s->strips; b.strip++, b.resume = 1) {
            b.images = smaller(s->images, last - b.first);
            b.count = strip_rows(s, b.strip) * s->wide;
            dz_to_points(&b);
            if (w->direct.wants_dw) x_to_points(&b);
            at_points(&b);
            if (w->direct.dx) dx_from_points(&b);
        }
    if (w->direct.wants_dw) dw_from_points(&b);
}

static void winograd_backward(real *dx, real *dw, real *db, const real *x, const real *w,
                              const real *dy, const real *y, const uint8_t *where,
                              const md_conv *g, real *scratch)
{
    const winograd s = winograd_of(g, 1);
    const ptrdiff_t slots = conv_slots(g);
    real *sums = scratch + POINTS2 * s.ut_point;
    winograd_backward_work work = {
        .s = s, .slots = sums, .workers = sums + slots * slot_reals(g),
        .groups = groups_of(g->cin, md_workers() / slots),
        .direct = {dx, dw != NULL, db != NULL, x, w, dy, y, where, g, .room = {.slots = sums}}};
    work.ut = (point_weights){scratch, masked_weights(g, w), s.ut_point, g->cout, g->cin,
                              work.groups.panel, s.taps, 1};
    if (dx) make_point_weights(&work.ut);
    md_parallel_for(g->n ? slots * work.groups.count : 0, winograd_cost(&s), winograd_backward_item,
                    &work);
    if (dw) sum_slots(dw, &work.direct, 0, weight_reals(g));
    if (db) sum_slots(db, &work.direct, slot_weights(g), g->cout);
}

#endif
