/* The gradient of x where x has few channels: an image, for a first layer.

   Sliding over dz would fill a sliver of each vector, since a pixel of dx is as thin as its
   channels. Here the vectors run along the row instead. For one row of dz, turned so that its
   pixels are columns, one small product gives what every tap makes of it:

                          cols of dz
                        +------------+                                  dx, a plane for each channel
     w, as it is        |  dz turned |  cout            row (ky, ci)    +------------------+
     +--------+         +------------+              of the product is   |                  |
     |  cout  |    .                      =          added to a row of  |    ->  +  ->     |  + ky
     +--------+         +------------+               the plane, kx on   |                  |
   (ky kx ci) rows      |  product   |                                  +------------------+
                        +------------+                                        kx ->

   With a stride the columns of a plane are dealt out by their remainder, so that what a tap adds
   to stays contiguous. An element is a chain over cout for each tap, and then a sum over the taps:
   another order than the slide's, the same on every machine. */
#ifndef MD_CONV2D_THIN_H
#define MD_CONV2D_THIN_H

#include "conv_geometry.h"
#include "pack.h"

/* Few channels of x, and enough of dz to fill a product; the same on every machine. */
INLINE int is_thin(const md_conv *g) { return g->groups == 1 && g->cin <= 4 && g->cout >= 16; }

/* A plane: rows of the framed image that dz reaches, each as `deals` parts of `part` columns. */
typedef struct { ptrdiff_t rows, deals, part, size, turned; } planes;

static planes planes_of(const md_conv *g)
{
    planes p = {.rows = (g->oh - 1) * g->stride_h + (g->kh - 1) * g->dil_h + 1,
                .deals = g->stride_w, .turned = round_up(g->ow, 16)};
    p.part = round_up(g->ow + (g->kw - 1) * g->dil_w / g->stride_w, 16);
    p.size = p.rows * p.deals * p.part;
    return p;
}

/* Of a worker: the planes, a turned row of dz, and the products. */
INLINE ptrdiff_t thin_reals(const md_conv *g)
{
    const planes p = planes_of(g);
    return g->cin * p.size + (g->cout + g->kh * g->kw * g->cin) * p.turned;
}

/* dx of one image. */
static void thin_dx(real *dx, const real *dz, const real *w, const md_conv *g, real *room)
{
    const planes p = planes_of(g);
    const ptrdiff_t taps = g->kh * g->kw;
    real *turned = room + g->cin * p.size, *product = turned + g->cout * p.turned;
    const md_run run = {0, 0};
    md_tile t = {.a = w, .a_row = g->cout, .a_step = 1, .b = turned, .b_step = p.turned,
                 .runs = &run, .nruns = 1, .k = g->cout, .c = product, .c_row = p.turned,
                 .cols = g->ow};
    memset(room, 0, (size_t)(g->cin * p.size) * sizeof(real));
    for (ptrdiff_t y = 0; y < g->oh; y++) {
        copy_transposed(turned, p.turned, dz + y * g->ow * g->cout, g->cout, g->ow, g->cout);
        tile_column(&t, taps * g->cin);
        for (ptrdiff_t i = 0; i < taps * g->cin; i++) {
            const ptrdiff_t ky = i / g->cin / g->kw, x = i / g->cin % g->kw * g->dil_w;
            const ptrdiff_t row = y * g->stride_h + ky * g->dil_h;
            const real *from = product + i * p.turned;
            real *to = room + i % g->cin * p.size + (row * p.deals + x % p.deals) * p.part +
                       x / p.deals;
            FOR_VECTORS(j, m, g->ow)
                store_some(to + j, load_some(to + j, m) + load(from + j), m);
        }
    }
    for (ptrdiff_t y = 0; y < g->h; y++)
        for (ptrdiff_t x = 0; x < g->w; x++) {
            const ptrdiff_t row = y + g->pad_h, column = x + g->pad_w;
            const ptrdiff_t deal = column % p.deals, at = column / p.deals;
            const int reached = row < p.rows && at < p.part;
            const real *from = room + (row * p.deals + deal) * p.part + at;
            for (ptrdiff_t ci = 0; ci < g->cin; ci++)
                dx[(y * g->w + x) * g->cin + ci] = reached ? from[ci * p.size] : 0;
        }
}

#endif
