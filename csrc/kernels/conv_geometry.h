/* What the convolution kernels ask of a geometry: sizes and frames. */
#ifndef MD_CONV_GEOMETRY_H
#define MD_CONV_GEOMETRY_H

#include "../minidrop.h"
#include "dropout.h"
#include "slide.h"

INLINE ptrdiff_t group_in(const md_conv *g) { return g->cin / g->groups; }
INLINE ptrdiff_t group_out(const md_conv *g) { return g->cout / g->groups; }
INLINE ptrdiff_t weight_reals(const md_conv *g) { return g->kh * g->kw * group_in(g) * g->cout; }
INLINE ptrdiff_t x_reals(const md_conv *g) { return g->h * g->w * g->cin; }   /* of an image */
INLINE ptrdiff_t z_reals(const md_conv *g) { return g->oh * g->ow * g->cout; } /* before pooling */
INLINE ptrdiff_t y_reals(const md_conv *g)
{
    return g->oh / g->pool * (g->ow / g->pool) * g->cout;
}

/* What backward multiplies the gradient by: the kept were scaled. */
INLINE real drop_scale(const md_conv *g) { return g->drop ? (real)g->drop->law.scale : 1; }

INLINE masked masked_weights(const md_conv *g, const real *w)
{
    return (masked){w, g->w_bits, (real)g->w_scale};
}

INLINE int is_depthwise(const md_conv *g)
{
    return g->cin > 1 && g->groups == g->cin && g->cout == g->cin;
}

/* Taps of a kernel row that are contiguous in an image: all, or one. */
INLINE ptrdiff_t joined_taps(const md_conv *g)
{
    return g->groups == 1 && g->dil_w == 1 ? g->kw : 1;
}

/* x with its padding. */
static frame x_frame(const md_conv *g)
{
    return (frame){g->pad_h, g->pad_w, g->h, g->w, g->cin, g->h + 2 * g->pad_h,
                   (g->w + 2 * g->pad_w) * g->cin};
}

/* dz with the border that the gradient of x reaches into. */
static frame dz_frame(const md_conv *g)
{
    const ptrdiff_t above = larger(0, (g->kh - 1) * g->dil_h - g->pad_h);
    const ptrdiff_t before = larger(0, (g->kw - 1) * g->dil_w - g->pad_w);
    const ptrdiff_t top = ceil_div(above, g->stride_h), left = ceil_div(before, g->stride_w);
    const ptrdiff_t below = (g->h - 1 + g->pad_h) / g->stride_h + 1;
    const ptrdiff_t after = (g->w - 1 + g->pad_w) / g->stride_w + 1;
    return (frame){top, left, g->oh, g->ow, g->cout, top + larger(below, g->oh),
                   (left + larger(after, g->ow)) * g->cout};
}

/* One image's part of a backward: gradients that are not wanted are NULL; y unless there is a relu,
   where unless there is pooling. */
typedef struct {
    real *dx, *dw, *db;
    const real *x, *dy, *y;
    const uint8_t *where;
} image_gradients;

#endif
