/* The three gradients of a convolution in one sweep, an image at a time, so that dz, the gradient
   before pooling and relu, stays in L2 for all of them; a band of rows at a time where dx does not
   want all:

     dx   slides over dz with the kernel turned round and transposed; with a stride, once for each
          phase of it, so that no zeros are inserted; conv2d_thin.h has it for few channels;
     dw   is the transposed product of x and dz, with the pixels as k;
     db   is the sum of dz over the pixels.

   Behind a pooling most of dz is zero, and conv2d_sparse.h takes over.

   The batch is cut into a fixed number of slots; dw and db of the slots are added up in order. */
#ifndef MD_CONV2D_BACKWARD_H
#define MD_CONV2D_BACKWARD_H

#include "conv2d.h"
#include "conv2d_dw.h"
#include "depthwise_dw.h"

/* ---- the gradient of x ---- */

/* dx[iy] gathers dz[oy] . w[ky] wherever oy stride + ky dil - pad = iy. Pixels with the same
   iy mod stride, a phase, share their list of ky; neighbours in a phase move by one row of dz. */
static void dx_phases(const md_conv *g, const real *w, const real *dx, const conv_scratch *room)
{
    const ptrdiff_t in = group_in(g), out = group_out(g), taps = g->kh * g->kw;
    const ptrdiff_t joined = g->stride_w == 1 ? joined_taps(g) : 1;
    const int depthwise = is_depthwise(g);
    const ptrdiff_t panels = depthwise ? 0 : ceil_div(in, NR);
    const frame f = dz_frame(g);
    const masked from = masked_weights(g, w);
    const real *weights = depthwise ? stored_weights(g, w, room->panels) : room->panels;
    md_run *runs = room->runs;
    slide *s = room->phases;

    /* row (kh - 1 - ky, kw - 1 - kx, co) of a panel holds w[ky][kx][.][co] */
    for (ptrdiff_t p = 0; p < g->groups * panels; p++)
        for (ptrdiff_t tap = 0; tap < taps; tap++) {
            const ptrdiff_t j = p % panels * NR, turned = p * taps + taps - 1 - tap;
            copy_turned(room->panels + turned * out * NR, NR, &from,
                        (tap * in + j) * g->cout + p / panels * out, g->cout,
                        smaller(NR, in - j), out);
        }
    for (ptrdiff_t phase = 0; phase < phases(g); phase++, s++) {
        const ptrdiff_t across = smaller(g->stride_w, g->w);
        const ptrdiff_t y0 = phase / across, x0 = phase % across;
        const ptrdiff_t rows = ceil_div(g->h - y0, g->stride_h);
        *s = (slide){.groups = g->groups, .rows = rows, .cols = ceil_div(g->w - x0, g->stride_w),
                     .channels = in, .offset = (y0 * g->w + x0) * g->cin,
                     .row = g->stride_h * g->w * g->cin, .col = g->stride_w * g->cin, .group = in,
                     .step_y = 1, .step_x = 1, .source_group = out, .frame = f,
                     .reach = f.rows - rows + 1, .runs = runs, .k = run_length(joined, out),
                     .depth = taps * out, .panels = weights, .depthwise = depthwise};
        s->past = !g->masks_dx && slides_past(s, dx, g->n * x_reals(g));
        s->down = turned_axis(g->kh, g->stride_h, g->pad_h, g->dil_h, g->oh, g->ow * g->cout,
                              g->kw * g->cin, y0);
        s->across = turned_axis(g->kw, g->stride_w, g->pad_w, g->dil_w, g->ow, g->cout, g->cin,
                                x0);
        if (depthwise) continue;
        for (ptrdiff_t ky = g->kh - 1; ky >= 0; ky--) {
            const ptrdiff_t y = y0 + g->pad_h - ky * g->dil_h;
            if (y % g->stride_h) continue;
            for (ptrdiff_t kx = g->kw - 1; kx >= 0; kx -= joined) {
                const ptrdiff_t x = x0 + g->pad_w - kx * g->dil_w;
                if (x % g->stride_w) continue;
                const ptrdiff_t tap = ky * g->kw + kx;
                s->nruns = add_runs(runs, s->nruns,
                                    (y / g->stride_h + f.top) * f.row +
                                        (x / g->stride_w + f.left) * f.c,
                                    (taps - 1 - tap) * out * NR, joined * out, s->k);
            }
        }
        s->inner = inner_columns(s);
        s->few = is_few(s);
        runs += s->nruns;
    }
}

/* ---- the gradient of bias ---- */

/* db (+)= the sum of dz over so many pixels: `side` vectors of channels at a time, since each sum
   waits for itself. */
INLINE void db_columns(real *db, const real *dz, ptrdiff_t pixels, ptrdiff_t channels, int resume,
                       const int side)
{
    vf sum[4];
    EACH(v, side) sum[v] = resume ? load(db + v * W) : zero();
    for (ptrdiff_t i = 0; i < pixels; i++, dz += channels)
        EACH(v, side) sum[v] += load(dz + v * W);
    EACH(v, side) store(db + v * W, sum[v]);
}

static void db_pixels(real *db, const real *dz, ptrdiff_t pixels, ptrdiff_t channels, int resume)
{
    ptrdiff_t j = 0;
    for (; j + 4 * W <= channels; j += 4 * W)
        db_columns(db + j, dz + j, pixels, channels, resume, 4);
    for (; j + 2 * W <= channels; j += 2 * W)
        db_columns(db + j, dz + j, pixels, channels, resume, 2);
    for (ptrdiff_t m; j < channels; j += W) {
        m = smaller(W, channels - j);
        vf sum = resume ? load_some(db + j, m) : zero();
        for (ptrdiff_t i = 0; i < pixels; i++) sum += load_some(dz + i * channels + j, m);
        store_some(db + j, sum, m);
    }
}

/* ---- backward ---- */

typedef struct {
    real *dx;
    int wants_dw, wants_db;
    const real *x, *w, *dy, *y;
    const uint8_t *where;
    const md_conv *g;
    conv_scratch room;
    slide forward;             /* depthwise: where dw has its taps */
    const real *thin;          /* the weights for thin_dx */
} backward_work;

/* dz = dy scale where y, the value of a relu, is not zero. */
static void through_relu(real *dz, const real *dy, real scale, const real *y, ptrdiff_t n)
{
    FOR_VECTORS(i, m, n) {
        const vf grad = load_some(dy + i, m) * set1(scale);
        store_some(dz + i, keep(lt(zero(), load_some(y + i, m)), grad), m);
    }
}

/* Rows y0 .. y1 of the gradient of one image before dropout, pooling and relu, in `room` unless
   they are those of dy itself. y0 begins a row of windows. */
static const real *dz_rows(real *room, const image_gradients *image, const md_conv *g,
                           ptrdiff_t y0, ptrdiff_t y1)
{
    const ptrdiff_t first = y0 / g->pool, end = y1 / g->pool;   /* rows of windows */
    const ptrdiff_t cols = g->ow / g->pool, at = first * cols * g->cout;
    const real *dy = image->dy + at, *y = image->y ? image->y + at : NULL;
    if (g->pool > 1)
        window_scatter(room, dy, drop_scale(g), y, image->where + at, end - first, cols, g->cout,
                       y1 - y0, g->ow, g->pool);
    else if (y) through_relu(room, dy, drop_scale(g), y, (y1 - y0) * g->ow * g->cout);
    else return dy;
    return room;
}

static const real *dz_image(real *room, const image_gradients *image, const md_conv *g)
{
    return dz_rows(room, image, g, 0, g->oh);
}

/* Rows of dz that are made together: whole windows; all rows where dx slides over them. */
INLINE ptrdiff_t dz_together(const image_gradients *image, const md_conv *g)
{
    if (image->dx || is_depthwise(g)) return g->oh;
    const ptrdiff_t rows = larger(sweep_rows(g), Z_BAND / larger(1, g->ow * g->cout));
    return round_up(rows, g->pool);
}

static void dense_image(const image_gradients *image, const backward_work *w, real *border,
                        int resume)
{
    const md_conv *g = w->g;
    const frame f = x_frame(g);
    const ptrdiff_t together = dz_together(image, g);
    real *z = border + border_reals(g), *more = z + round_up(z_reals(g), 16);
    const real *dz = NULL, *x = image->x;
    if (image->dw && is_framed(&f) && !is_depthwise(g)) {
        copy_framed(border, x, &f, 0, f.rows);
        x = border;
    }
    for (ptrdiff_t y = 0, end; y < g->oh; y = end, resume = 1) {
        end = smaller(y + together, g->oh);
        dz = dz_rows(z, image, g, y, end);
        if (image->db) db_pixels(image->db, dz, (end - y) * g->ow, g->cout, resume);
        if (image->dw && is_depthwise(g)) depthwise_dw(image->dw, x, dz, &w->forward, resume);
        else if (image->dw) dw_rows(image->dw, x, dz, y, end, g, resume, more);
    }
    if (image->dx && is_thin(g)) thin_dx(image->dx, dz, w->thin, g, more);
    else if (image->dx)
        for (ptrdiff_t phase = 0; phase < phases(g); phase++) {
            const slide *s = w->room.phases + phase;
            slide_rows(s, image->dx, dz, 0, s->rows, border);
        }
}

/* dx of an image goes on through the relu that x came out of, while both are in the cache. */
static void mask_dx(real *dx, const real *x, ptrdiff_t n) { through_relu(dx, dx, 1, x, n); }

static void backward_item(void *context, ptrdiff_t slot, int worker)
{
    const backward_work *w = context;
    const md_conv *g = w->g;
    const ptrdiff_t slots = conv_slots(g), first = slot * g->n / slots;
    real *border = w->room.workers + worker * worker_reals(g);
    real *sums = w->room.slots + slot * slot_reals(g);
    const int sparse = is_sparse(g, w->dx != NULL);
    if (sparse) memset(sums, 0, (size_t)slot_reals(g) * sizeof(real));
    for (ptrdiff_t n = first; n < (slot + 1) * g->n / slots; n++) {
        const ptrdiff_t at = n * y_reals(g);
        const image_gradients image = {
            .dx = w->dx ? w->dx + n * x_reals(g) : NULL, .dw = w->wants_dw ? sums : NULL,
            .db = w->wants_db ? sums + slot_weights(g) : NULL, .x = w->x + n * x_reals(g),
            .dy = w->dy + at, .y = g->relu ? w->y + at : NULL,
            .where = g->pool > 1 ? w->where + at : NULL};
        if (sparse) sparse_image(&image, w->room.panels, g, border);
        else dense_image(&image, w, border, n > first);
        if (image.dx && g->masks_dx) mask_dx(image.dx, image.x, x_reals(g));
    }
}

/* out = the sum of what the slots hold `from` reals in, slot by slot. out may be the first's. */
static void sum_slots(real *out, const backward_work *w, ptrdiff_t from, ptrdiff_t n)
{
    const ptrdiff_t slots = smaller(conv_slots(w->g), w->g->n), size = slot_reals(w->g);
    FOR_VECTORS(i, m, n) {
        vf sum = zero();
        for (ptrdiff_t s = 0; s < slots; s++)
            sum += load_some(w->room.slots + s * size + from + i, m);
        store_some(out + i, sum, m);
    }
}

static void conv2d_backward(real *dx, real *dw, real *db, const real *x, const real *w,
                            const real *dy, const real *y, const uint8_t *where,
                            const md_conv *g, real *scratch)
{
    const int sparse = is_sparse(g, dx != NULL);
    backward_work work = {dx, dw != NULL, db != NULL, x, w, dy, y, where, g,
                          .room = conv_rooms(g, scratch)};
    if (is_depthwise(g)) work.forward = forward_slide(g, NULL, w);
    if (dx && sparse) turn_weights(work.room.panels, w, g);
    else if (dx && is_thin(g)) work.thin = stored_weights(g, w, work.room.panels);
    else if (dx) dx_phases(g, w, dx, &work.room);
    const double flop = 2.0 * (double)(g->n * g->oh * g->ow) * (double)weight_reals(g);
    if (dw || db || g->relu || g->pool > 1 || g->masks_dx || is_thin(g))
        md_parallel_for(smaller(conv_slots(g), g->n), flop / (sparse ? 200 : 50), backward_item,
                        &work);
    else if (dx)
        for (ptrdiff_t phase = 0; phase < phases(g); phase++)
            slide_images((slide_work){.slide = work.room.phases + phase, .target = dx,
                                      .source = dy, .images = g->n, .target_image = x_reals(g),
                                      .source_image = y_reals(g), .workers = work.room.workers,
                                      .per_worker = worker_reals(g), .pool = 1});
    if (db) sum_slots(db, &work, slot_weights(g), g->cout);
    if (dw && sparse) {
        sum_slots(work.room.slots, &work, 0, slot_weights(g));
        turn_back(dw, work.room.slots, g);
    } else if (dw) sum_slots(dw, &work, 0, weight_reals(g));
}

#endif
