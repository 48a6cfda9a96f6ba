/* 2-d convolution, channels last and direct: y = x * w slides over x (slide.h), image by image.
   With pooling, the rows before it, z, go band by band to scratch that stays in a cache, and are
   pooled from there; with dropout, y is dropped while it is in the cache. */
#ifndef MD_CONV2D_H
#define MD_CONV2D_H

#include "conv_scratch.h"
#include "depthwise.h"
#include "patches.h"
#include "slide_few.h"
#include "window.h"

enum { PART_NS = 10000 };    /* of an image, which repays a part of its own */
enum { PATCHED = 1 << 11 };  /* reals of z behind patches, which are made in bands anyway: in L1 */

typedef struct {
    const slide *slide;
    real *target;
    const real *source;
    ptrdiff_t images, target_image, source_image, items_per_image;
    real *workers;                       /* scratch: a border, and room for z at z_at */
    ptrdiff_t per_worker, z_at;
    uint8_t *where;                      /* pooling: as md_conv */
    ptrdiff_t pool;
    const md_drop *drop;
} slide_work;

/* Rows y0 .. y1 of y, of one image, from bands of z. */
static void pooled_rows(const slide_work *w, ptrdiff_t image, ptrdiff_t y0, ptrdiff_t y1,
                        const real *source, real *border)
{
    const slide *s = w->slide;
    const ptrdiff_t p = w->pool, cols = s->cols / p, channels = s->channels * s->groups;
    const ptrdiff_t most = larger(1, (s->patches ? PATCHED : Z_BAND) / larger(1, p * s->row));
    real *z = border + w->z_at;
    for (ptrdiff_t y = y0, rows; y < y1; y += rows) {
        rows = smaller(most, y1 - y);
        const ptrdiff_t at = image * w->target_image + y * cols * channels;
        slide_rows(s, z, source, y * p, (y + rows) * p, border);
        window_max(w->target + at, w->where ? w->where + at : NULL, z, rows, cols, channels,
                   s->cols, p);
    }
}

static void slide_item(void *context, ptrdiff_t item, int worker)
{
    const slide_work *w = context;
    const slide *s = w->slide;
    const ptrdiff_t image = item / w->items_per_image, part = item % w->items_per_image;
    const ptrdiff_t rows = s->rows / w->pool;
    const ptrdiff_t row = s->cols / w->pool * s->channels * s->groups;   /* of y */
    const ptrdiff_t y0 = part * rows / w->items_per_image;
    const ptrdiff_t y1 = (part + 1) * rows / w->items_per_image;
    const real *source = w->source + image * w->source_image;
    real *border = w->workers + worker * w->per_worker;
    if (w->pool > 1) pooled_rows(w, image, y0, y1, source, border);
    else slide_rows(s, w->target + image * w->target_image + y0 * s->row, source, y0, y1, border);
    if (w->drop)
        drop_tail(w->drop, w->target, image * w->target_image + y0 * row, (y1 - y0) * row);
}

/* Every image of a batch; few images are cut into parts of rows, so that threads can share one. */
static void slide_images(slide_work w)
{
    const double cost = slide_cost(w.slide);
    const ptrdiff_t most = larger(cost > WORTH_WAKING_NS ? 2 : 1, (ptrdiff_t)(cost / PART_NS));
    const ptrdiff_t parts = smaller(smaller(w.slide->rows / w.pool, most), 16);
    w.items_per_image = w.images >= 16 ? 1 : larger(1, parts);
    md_parallel_for(w.images * w.items_per_image, cost * (double)w.images, slide_item, &w);
}

/* Whether a slide may send its targets, n reals from `to` on, past the caches. */
INLINE int slides_past(const slide *s, const real *to, ptrdiff_t n)
{
    return (s->groups == 1 || s->depthwise) &&
           lines_go_past(to, n, s->groups * s->channels);
}

/* y from x: the geometry, the runs into `runs`, and weights that stand in `panels`. */
static slide forward_slide(const md_conv *g, md_run *runs, const real *panels)
{
    const ptrdiff_t in = group_in(g), out = group_out(g), joined = joined_taps(g);
    slide s = {.groups = g->groups, .rows = g->oh, .cols = g->ow, .channels = out,
               .row = g->ow * g->cout, .col = g->cout, .group = out, .step_y = g->stride_h,
               .step_x = g->stride_w, .source_group = in, .frame = x_frame(g),
               .reach = (g->kh - 1) * g->dil_h + 1, .runs = runs, .k = run_length(joined, in),
               .depth = g->kh * g->kw * in, .panels = panels, .depthwise = is_depthwise(g)};
    s.down = forward_axis(g->kh, g->stride_h, g->pad_h, g->dil_h, g->h, g->w * g->cin,
                          g->kw * g->cin);
    s.across = forward_axis(g->kw, g->stride_w, g->pad_w, g->dil_w, g->w, g->cin, g->cin);
    if (s.depthwise) return s;
    for (ptrdiff_t ky = 0; ky < g->kh; ky++)
        for (ptrdiff_t kx = 0; kx < g->kw; kx += joined)
            s.nruns = add_runs(runs, s.nruns,
                               ky * g->dil_h * s.frame.row + kx * g->dil_w * g->cin,
                               (ky * g->kw + kx) * in * NR, joined * in, s.k);
    s.few = is_few(&s);
    s.patches = !s.few && has_patches(&s);
    s.inner = inner_columns(&s);
    return s;
}

static void conv2d_forward(real *y, uint8_t *where, const real *x, const real *w,
                           const real *bias, const md_conv *g, real *scratch)
{
    const conv_scratch room = conv_rooms(g, scratch);
    const ptrdiff_t out = group_out(g), panels = ceil_div(out, NR);
    const int depthwise = is_depthwise(g);
    const masked from = masked_weights(g, w);
    slide s = forward_slide(g, room.runs,
                            depthwise ? stored_weights(g, w, room.panels) : room.panels);
    s.bias = bias;
    s.relu = g->relu != 0;
    s.past = g->pool == 1 && !g->drop && slides_past(&s, y, g->n * y_reals(g));
    if (!depthwise)
        for (ptrdiff_t group = 0; group < g->groups; group++)
            copy_panels(room.panels + group * panels * s.depth * NR, s.depth, &from, group * out,
                        g->cout, s.depth, out);
    slide_images((slide_work){.slide = &s, .target = y, .source = x, .images = g->n,
                              .target_image = y_reals(g), .source_image = x_reals(g),
                              .workers = room.workers, .per_worker = worker_reals(g),
                              .z_at = border_reals(g), .where = where, .pool = g->pool,
                              .drop = g->drop});
}

#endif
