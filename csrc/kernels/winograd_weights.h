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

/* u [point][panel][rows][NR] from w (r, r, rows, cols). */
typedef struct {
    real *u;
    masked w;
    ptrdiff_t point, rows, cols;
    int taps;
} weights_work;

static void weights_item(void *context, ptrdiff_t item, int worker)
{
    const weights_work *s = context;
    const ptrdiff_t first = item * WEIGHT_ROWS, tap = s->rows * s->cols;
    (void)worker;
    for (ptrdiff_t i = first; i < smaller(first + WEIGHT_ROWS, s->rows); i++)
        FOR_FEW_VECTORS(j, m, s->cols) {
            real *u = s->u + (j / NR * s->rows + i) * NR + j % NR;
            const ptrdiff_t at = i * s->cols + j;
            if (s->taps == 3) weights_to_points(u, s->point, &s->w, at, tap, m, 3);
            else weights_to_points(u, s->point, &s->w, at, tap, m, 5);
        }
}

static void weights_to_panels(weights_work s)
{
    md_parallel_for(ceil_div(s.rows, WEIGHT_ROWS), (double)(s.rows * s.cols) * 3, weights_item,
                    &s);
}

#endif
