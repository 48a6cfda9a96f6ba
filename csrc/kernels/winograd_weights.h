/* Weights on their way to the 36 points and back: U = G w G^T, dw = G^T dU G. */
#ifndef MD_WINOGRAD_WEIGHTS_H
#define MD_WINOGRAD_WEIGHTS_H

#include "winograd_transform.h"
#include "pack.h"

enum { MOST_TAPS = 5, WEIGHT_ROWS = 8 };

/* A vector of w (r, r, rows, cols), its taps `tap` apart -> 36 vectors, `point` apart. */
INLINE void weights_to_points(real *u, ptrdiff_t point, const masked *w, ptrdiff_t at,
                              ptrdiff_t tap, ptrdiff_t m, const int r)
{
    vf down[MOST_TAPS][POINTS], across[POINTS];
    for (int kx = 0; kx < r; kx++) {
        vf column[MOST_TAPS];
        for (int ky = 0; ky < r; ky++) column[ky] = load_masked(w, at + (ky * r + kx) * tap, m);
        taps_to_points(down[kx], column, r);
    }
    for (int i = 0; i < POINTS; i++) {
        vf row[MOST_TAPS];
        for (int kx = 0; kx < r; kx++) row[kx] = down[kx][i];
        taps_to_points(across, row, r);
        for (int j = 0; j < POINTS; j++) store(u + (i * POINTS + j) * point, across[j]);
    }
}

INLINE void weights_from_points(real *dw, ptrdiff_t tap, const real *du, ptrdiff_t point,
                                ptrdiff_t m, const int r)
{
    vf down[POINTS][MOST_TAPS], across[MOST_TAPS];
    for (int j = 0; j < POINTS; j++) {
        vf column[POINTS];
        for (int i = 0; i < POINTS; i++) column[i] = load(du + (i * POINTS + j) * point);
        taps_to_points_transposed(down[j], column, r);
    }
    for (int ky = 0; ky < r; ky++) {
        vf row[POINTS];
        for (int j = 0; j < POINTS; j++) row[j] = down[j][ky];
        taps_to_points_transposed(across, row, r);
        for (int kx = 0; kx < r; kx++) store_some(dw + (ky * r + kx) * tap, across[kx], m);
    }
}

/* u [point][column / panel][rows][panel], its points `point` apart, from w (r, r, rows, cols), or,
   turned, from w (r, r, cols, rows). */
typedef struct {
    real *u;
    masked w;
    ptrdiff_t point, rows, cols, panel;
    int taps, turned;
} point_weights;

INLINE ptrdiff_t u_at(const point_weights *s, ptrdiff_t row, ptrdiff_t column)
{
    return (column / s->panel * s->rows + row) * s->panel + column % s->panel;
}

/* Some rows of a vector of columns. */
static void weights_block(const point_weights *s, ptrdiff_t i, ptrdiff_t rows, ptrdiff_t j,
                          ptrdiff_t m)
{
    real *u = s->u + u_at(s, i, j);
    real turned[MOST_TAPS * MOST_TAPS * WEIGHT_ROWS * W];
    masked w = s->w;
    ptrdiff_t at = i * s->cols + j, row = s->cols, tap = s->rows * s->cols;
    if (s->turned) {
        for (int t = 0; t < s->taps * s->taps; t++)
            copy_turned(turned + t * WEIGHT_ROWS * W, W, &w, t * tap + j * s->rows + i, s->rows, m,
                        rows);
        w = (masked){.data = turned}, at = 0, row = W, tap = WEIGHT_ROWS * W;
    }
    for (ptrdiff_t r = 0; r < rows; r++, at += row, u += s->panel)
        if (s->taps == 3) weights_to_points(u, s->point, &w, at, tap, m, 3);
        else weights_to_points(u, s->point, &w, at, tap, m, 5);
}

/* Items go down the panels, so that a worker makes whole ones: those that it reads where channels
   are shared out (channel_groups). */
static void weights_item(void *context, ptrdiff_t item, int worker)
{
    const point_weights *s = context;
    const ptrdiff_t parts = ceil_div(s->rows, WEIGHT_ROWS), first = item / parts * s->panel;
    const ptrdiff_t i = item % parts * WEIGHT_ROWS, rows = smaller(WEIGHT_ROWS, s->rows - i);
    (void)worker;
    FOR_FEW_VECTORS(j, m, smaller(s->panel, s->cols - first))
        weights_block(s, i, rows, first + j, m);
}

static void make_point_weights(point_weights *s)
{
    md_parallel_for(ceil_div(s->rows, WEIGHT_ROWS) * ceil_div(s->cols, s->panel),
                    (double)(s->rows * s->cols) * 3, weights_item, s);
}

#endif
