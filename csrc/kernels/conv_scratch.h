/* The rooms of a convolution's scratch: runs, phases, panels of weights; for each worker a frame of
   x or dz, room for z, and for panels of dz or what thin_dx takes; or planes and lists, where dz is
   sparse; slots, in which dw and db add up. */
#ifndef MD_CONV_SCRATCH_H
#define MD_CONV_SCRATCH_H

#include "conv_geometry.h"
#include "conv2d_sparse.h"
#include "conv2d_thin.h"

INLINE ptrdiff_t reals_for(ptrdiff_t bytes)
{
    return round_up(ceil_div(bytes, (ptrdiff_t)sizeof(real)), 16);
}
INLINE ptrdiff_t runs_reals(const md_conv *g)
{
    const ptrdiff_t deepest = larger(1, larger(g->cin, g->cout));
    const ptrdiff_t runs = g->kh * g->kw * (deepest / run_length(1, deepest) + 1);
    return reals_for(runs * (ptrdiff_t)sizeof(md_run));
}
INLINE ptrdiff_t phases(const md_conv *g)
{
    return smaller(g->stride_h, g->h) * smaller(g->stride_w, g->w);
}
INLINE ptrdiff_t phases_reals(const md_conv *g)
{
    return reals_for(phases(g) * (ptrdiff_t)sizeof(slide));
}
INLINE ptrdiff_t panel_reals(const md_conv *g)
{
    const ptrdiff_t in = group_in(g), out = group_out(g);
    const ptrdiff_t dense = g->groups * g->kh * g->kw *
                            larger(in * round_up(out, NR), out * round_up(in, NR));
    return may_be_sparse(g) ? larger(dense, turned_reals(g)) : dense;
}
INLINE ptrdiff_t border_reals(const md_conv *g)
{
    if (is_depthwise(g)) return 0;       /* taps beside the image are left out */
    const frame x = x_frame(g), dz = dz_frame(g);
    return round_up(larger(frame_reals(&x), frame_reals(&dz)), 16);
}
/* Reals of z or dz, about, that are made together where not all of an image must be: part of L2. */
enum { Z_BAND = 1 << 16 };

/* dw takes pixels in by so many, and so many columns of their dz at a time, to share L1 and L2. */
enum { SWEEP = 128, SWEEP_COLUMNS = 16 * NR };
INLINE ptrdiff_t sweep_reals(const md_conv *g)
{
    return SWEEP * smaller(round_up(group_out(g), NR), SWEEP_COLUMNS);
}
INLINE ptrdiff_t worker_reals(const md_conv *g)
{
    const ptrdiff_t framed = border_reals(g) + round_up(z_reals(g), 16);
    const ptrdiff_t dense = framed + larger(is_thin(g) ? thin_reals(g) : 0, sweep_reals(g));
    return may_be_sparse(g) ? larger(dense, sparse_reals(g)) : dense;
}
INLINE ptrdiff_t slot_weights(const md_conv *g)
{
    return may_be_sparse(g) ? turned_reals(g) : weight_reals(g);
}
INLINE ptrdiff_t slot_reals(const md_conv *g) { return round_up(slot_weights(g) + g->cout, 16); }
INLINE ptrdiff_t conv_slots(const md_conv *g)
{
    return larger(1, smaller(weight_reals(g) > 1 << 18 ? 4 : 16, g->n));
}

static ptrdiff_t conv2d_scratch(const md_conv *g)
{
    return runs_reals(g) + phases_reals(g) + panel_reals(g) + md_workers() * worker_reals(g) +
           conv_slots(g) * slot_reals(g);
}

typedef struct { md_run *runs; slide *phases; real *panels, *workers, *slots; } conv_scratch;

static conv_scratch conv_rooms(const md_conv *g, real *scratch)
{
    conv_scratch s;
    s.runs = (md_run *)scratch;
    s.phases = (slide *)(scratch += runs_reals(g));
    s.panels = scratch += phases_reals(g);
    s.workers = scratch += panel_reals(g);
    s.slots = scratch + md_workers() * worker_reals(g);
    return s;
}

/* For kernels that read weights as they are stored: w, or what a mask leaves of it, in `panels`. */
static const real *stored_weights(const md_conv *g, const real *w, real *panels)
{
    const masked from = masked_weights(g, w);
    if (!from.bits) return w;
    copy_masked(panels, g->cout, &from, 0, g->cout, g->kh * g->kw * group_in(g), g->cout);
    return panels;
}

#endif
