/* A product of few rows, where only the pace of b counts: its rows are read once, from end to end,
   as caches and memory like to be read.

               n
          +---------------------->
      b   |  ------------------->       some rows at a time: their factors, of a, stay in registers,
          |  ------------------->       and so few streams come in at once
          +---------------------->
      c   |  ===================>       is taken up again for the next rows, from L1
          +---------------------->

   Each worker has columns of its own. An element of c is the chain over k that tiles make. */
#ifndef MD_MATMUL_SKINNY_H
#define MD_MATMUL_SKINNY_H

#include "../minidrop.h"
#include "matmul_plan.h"

enum {
    SKINNY_ROWS = MR > 6 ? 6 : 4, /* of c, at most */
    STREAMS = 8,                  /* rows of b at a time */
    SKINNY_REALS = 1 << 18        /* of b for each worker, at least: more than its L2 holds */
};

/* And so many columns: of one row of c, and of more, where the arithmetic begins to count, so that
   what L3 holds of b comes in time for tiles, unless its rows collide. */
enum { ONE_ROW_COLUMNS = 128, SKINNY_COLUMNS = 1024 };

typedef struct {
    real *c;
    const real *a, *b, *bias;
    ptrdiff_t m, n, k, columns; /* columns of a worker */
    int relu;
} skinny_work;

/* x[i][s]: the factor of row s of b in row i of c. */
typedef vf skinny_factors[SKINNY_ROWS][STREAMS];

/* nv vectors of c from column j on take in so many rows of b from row k0 on; one alone may have but
   `part` lanes. m, streams and nv are constants where this is inlined. */
INLINE void skinny_step(const skinny_work *w, skinny_factors x, ptrdiff_t k0, ptrdiff_t j,
                        ptrdiff_t part, const int m, const int streams, const int nv)
{
    const int whole = nv > 1 ? nv : 0;
    const real *b = w->b + k0 * w->n + j;
    real *c = w->c + j;
    tile_acc acc;
    if (k0) load_tile(acc, c, w->n, m, nv, whole, part);
    else clear_tile(acc, m, nv);
    EACH(s, streams)
        EACH_VECTOR(v, nv) {
            const vf row = load_column(b + s * w->n, v, whole, part);
            EACH_ROW(i, m) acc[i][v] = fma_(x[i][s], row, acc[i][v]);
        }
    if (k0 + streams == w->k)
        finish_tile(acc, w->bias ? w->bias + j : NULL, w->relu, m, nv, whole, part);
    store_tile(c, w->n, acc, m, nv, whole, part, 0);
}

/* So many rows of b, along the columns from j to end. */
INLINE void skinny_streams(const skinny_work *w, ptrdiff_t k0, ptrdiff_t j, ptrdiff_t end,
                           const int m, const int streams)
{
    const int nv = tile_vectors(m);
    skinny_factors x;
    EACH(i, m)
        EACH(s, streams) x[i][s] = set1(w->a[i * w->k + k0 + s]);
    for (; j + nv * W <= end; j += nv * W) skinny_step(w, x, k0, j, W, m, streams, nv);
    for (; j + 2 * W <= end; j += 2 * W) skinny_step(w, x, k0, j, W, m, streams, 2);
    for (; j < end; j += W) skinny_step(w, x, k0, j, smaller(W, end - j), m, streams, 1);
}

INLINE void skinny_columns(const skinny_work *w, ptrdiff_t j, ptrdiff_t end, const int m)
{
    ptrdiff_t k0 = 0;
    for (; k0 + STREAMS <= w->k; k0 += STREAMS) skinny_streams(w, k0, j, end, m, STREAMS);
    for (; k0 < w->k; k0++) skinny_streams(w, k0, j, end, m, 1);
}

static void skinny_item(void *context, ptrdiff_t item, int worker)
{
    const skinny_work *w = context;
    const ptrdiff_t j = item * w->columns, end = smaller(w->n, j + w->columns);
    (void)worker;
    switch (w->m) {
        case 1: skinny_columns(w, j, end, 1); break;
        case 2: skinny_columns(w, j, end, 2); break;
        case 3: skinny_columns(w, j, end, 3); break;
        case 4: skinny_columns(w, j, end, 4); break;
#if MD_TILE_ROWS > 6
        case 5: skinny_columns(w, j, end, 5); break;
        case 6: skinny_columns(w, j, end, 6); break;
#endif
    }
}

static int is_skinny(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int form)
{
    const ptrdiff_t columns = n / md_workers(), reals = k * n / md_workers();
    if (form != MD_NN || m > SKINNY_ROWS || reals < SKINNY_REALS) return 0;
    if (m == 1) return columns >= ONE_ROW_COLUMNS;
    return columns >= SKINNY_COLUMNS && (rows_collide(n) || k * n > FAR_REALS);
}

static void matmul_skinny(real *c, const real *a, const real *b, const real *bias, ptrdiff_t m,
                          ptrdiff_t n, ptrdiff_t k, int relu)
{
    const ptrdiff_t columns = round_up(ceil_div(n, md_workers()), NR);
    skinny_work w = {c, a, b, bias, m, n, k, columns, relu};
    md_parallel_for(ceil_div(n, columns), chains_cost((double)(m * n), k), skinny_item, &w);
}

#endif
