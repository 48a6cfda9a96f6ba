/* The machine's limits: multiply-adds in registers, as many as a tile has; the micro-kernel with
   its operands in L1, which no product or convolution can pass; and how fast one core gets what
   another has written. */
#include "matmul.h"

typedef struct { real *out; ptrdiff_t iterations; } peak_work;

static void peak_item(void *context, ptrdiff_t item, int worker)
{
    (void)worker;
    const peak_work *w = context;
    const vf x = set1((real)0.999), y = set1((real)1e-6);
    vf acc[MR][NV];
    for (int i = 0; i < MR; i++)
        for (int j = 0; j < NV; j++) acc[i][j] = set1((real)(i * NV + j));
    for (ptrdiff_t k = 0; k < w->iterations; k++)
        for (int i = 0; i < MR; i++)
            for (int j = 0; j < NV; j++) acc[i][j] = fma_(acc[i][j], x, y);
    vf sum = zero();
    for (int i = 0; i < MR; i++)
        for (int j = 0; j < NV; j++) sum += acc[i][j];
    if (item == 0) store(w->out, sum);
}

static double fma_peak(real *out, ptrdiff_t iterations)
{
    peak_work w = {out, iterations};
    const int workers = md_workers();
    md_parallel_for(workers, 1e9, peak_item, &w);
    return 2.0 * MR * NR * (double)iterations * workers;
}

enum { TILE_K = 256, TILE_REALS = (TILE_K * (MR + NR) + MR * NR + 15) / 16 * 16 };

static ptrdiff_t tile_peak_scratch(void) { return (ptrdiff_t)md_workers() * TILE_REALS; }

/* Full tiles of c, one after the other over the same panels of a and b: 0 = 0 + 0 * 0. */
static void tile_item(void *context, ptrdiff_t item, int worker)
{
    const peak_work *w = context;
    const md_run whole = {0, 0};
    real *a = w->out + item * TILE_REALS, *b = a + TILE_K * MR, *c = b + TILE_K * NR;
    const md_tile t = {.a = a, .b = b, .a_row = 1, .a_step = MR, .b_step = NR, .runs = &whole,
                       .nruns = 1, .k = TILE_K, .c = c, .c_row = NR, .cols = NR, .count = 1};
    (void)worker;
    memset(a, 0, TILE_REALS * sizeof(real));
    for (ptrdiff_t i = 0; i < w->iterations; i++) tiles[MR][NV][1][0](&t);
}

static double tile_peak(real *scratch, ptrdiff_t iterations)
{
    peak_work w = {scratch, iterations};
    const int workers = md_workers();
    md_parallel_for(workers, 1e9, tile_item, &w);
    return 2.0 * MR * NR * TILE_K * (double)iterations * workers;
}

/* ---- from core to core ---- */

typedef struct { real *rooms; ptrdiff_t reals, workers; } exchange_work;

/* By stores: a memset may go past the caches. */
static void write_room(void *context, ptrdiff_t item, int worker)
{
    const exchange_work *w = context;
    real *room = w->rooms + item * w->reals;
    (void)worker;
    FOR_VECTORS(i, m, w->reals) store_some(room + i, zero(), m);
}

/* Each reads the next one's room; the sum goes where the compiler has to make it. */
static void read_room(void *context, ptrdiff_t item, int worker)
{
    const exchange_work *w = context;
    const real *room = w->rooms + (item + 1) % w->workers * w->reals;
    vf sum[8];
    (void)worker;
    EACH(v, 8) sum[v] = zero();
    for (ptrdiff_t i = 0; i + 8 * W <= w->reals; i += 8 * W)
        EACH(v, 8) sum[v] += load(room + i + v * W);
    EACH(v, 7) sum[0] += sum[v + 1];
    store(w->rooms + (w->workers + item) * w->reals, sum[0]);
}

static double exchange(real *rooms, ptrdiff_t reals, ptrdiff_t rounds)
{
    exchange_work w = {rooms, reals, md_workers()};
    for (ptrdiff_t i = 0; i < rounds; i++) {
        md_parallel_for(w.workers, 1e9, write_room, &w);
        md_parallel_for(w.workers, 1e9, read_room, &w);
    }
    return (double)(rounds * w.workers * reals) * sizeof(real);
}
