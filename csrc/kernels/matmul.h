/* Matrix products c = op(a) op(b), blocked so that every level of the memory is read at its pace.

        n                                      c is cut into blocks of about MC x NC: the items of
    +-------+-------+                          the parallel loop, each done by one worker alone.
    | block | block |  mc rows
    +-------+-------+                          In a block, k goes by in slices of at most KC:
    | block | block |                            the slice of a (mc x kc) stays in L2,
    +-------+-------+                            so does a panel of b (kc x NR), and
       nc                                        tiles of MR x NR sweep down the panel.

   Panels of b are copies where its rows lie far apart, or where so many rows of c read them that
   they repay it; elsewhere b is read as it stands. A block makes a group of panels when it comes to
   it: some lines of each row of b, as caches want to be read, or a whole slice where b comes from
   memory, which wants long rows. Where enough blocks stand below each other, all panels are made at
   the beginning and shared. The slice of a is copied into panels of MR rows where enough
   columns of c repay that. Between slices of k a block of c waits in a copy of its own, panel by
   panel: its rows in c would lie so far apart that they collide in L2.
   No choice here changes the chain of an element of c.

   Where k is very short, and b read as it stands, the way from panel to panel would take as long as
   a tile: row by row of tiles instead, along some columns of b that stay in L1.

   Where many elements of a factor are zero, matmul_sparse.h has less to do. */
#ifndef MD_MATMUL_H
#define MD_MATMUL_H

#include "../minidrop.h"
#include "matmul_sparse.h"
#include "pack.h"
#include "tiling.h"

enum { KC = 512, MC = 256, NC = 2048, FAR_REALS = 1 << 20 };
enum { LONG_KC = 1024, LOW_MC = 128 }; /* where blocks of a long k share b: c waits less often */
/* Rows of c that repay a copy of b: fewer where a panel's rows are one line each, which lie so far
   apart in b that L1 holds few of them. */
enum { REPAY = (NV * W > LINE_REALS ? 24 : 8) * MR };
enum { L1_REALS = 8192 };   /* of a b that stays in L1 as it stands */
enum { ALONE = 512 };       /* columns at most of a block that makes its own panels of b */
enum { BLOCK_NS = 70000 };  /* so much repays a block more, up to two for each worker */
enum { GROUP = 64 };        /* columns of b in a group: 4 lines of a row */
enum { NEAR_ROW = 32 * NR }; /* columns of a b whose rows are near enough to be read in place */
enum { A_SCRATCH = LONG_KC * (LOW_MC + 2 * MR) + W, B_SCRATCH = KC * (ALONE + NR) };
enum { C_SCRATCH = MC * (NC + NR), SCRATCH = A_SCRATCH + B_SCRATCH + C_SCRATCH };

typedef struct {
    real *c;
    const real *a, *bias;
    masked b;
    ptrdiff_t m, n, k, mc, nc, blocks_down, blocks_across, slices;
    double cost;                      /* in ns, on one core */
    ptrdiff_t parts;                  /* of each slice of b that is shared */
    int form, relu, b_masked;
    int is_flat;                      /* k is short, and b read as it stands */
    ptrdiff_t group;                  /* columns of b that are copied together */
    int copies_a, copies_b, shares_b, past;
    real *shared, *scratch;           /* b in panels: [slice][panel][kc][NR]; for each worker */
} matmul_work;

/* So many blocks below each other share their copies of b: two of them only where a worker alone
   would make the copies twice, and finds them in the cache again. */
INLINE int blocks_share(const matmul_work *w, ptrdiff_t down)
{
    const int near = w->form != MD_NT && w->k * w->n <= FAR_REALS;
    return down > (md_workers() == 1 && near ? 1 : 2);
}

/* Of each of so many blocks: whole vectors, and whole panels where those of b are shared. */
INLINE ptrdiff_t block_columns(const matmul_work *w, ptrdiff_t down, ptrdiff_t across)
{
    return round_up(ceil_div(w->n, across), blocks_share(w, down) ? NR : W);
}

/* The reals of c that fall to the busiest worker, if c is cut into so many blocks. */
INLINE ptrdiff_t largest_share(const matmul_work *w, ptrdiff_t down, ptrdiff_t across)
{
    const ptrdiff_t mc = ceil_div(w->m, down), nc = block_columns(w, down, across);
    return ceil_div(ceil_div(w->m, mc) * ceil_div(w->n, nc), md_workers()) * mc * nc;
}

/* So high a block is cut into low ones rather than narrow ones. Of two narrow ones on the same rows
   of c, the lines that the hardware fetches beyond the end of one are the other worker's, and go to
   and fro. Between low ones they do so once a panel, which is seldom if panels are wide. But each
   of those copies or reads all of b: much, unless the product is small or its k short. */
INLINE int is_high(const matmul_work *w, ptrdiff_t height, ptrdiff_t width)
{
    if (w->cost < BLOCK_NS && NV * W > LINE_REALS) return height >= 2 * MR;
    if (w->is_flat) return height >= 4 * MR;
    return height >= (w->form == MD_NT || height < width ? 24 : 8) * MR;
}

/* So many columns of c repay a copy of a, of which little is gained where a tile reads it at its
   pace. Not so where rows collide and the tiles are low for it; nor in TN, where a step of k is a
   line somewhere else, if a tile takes less than most of it. */
INLINE ptrdiff_t columns_repaying_a(const matmul_work *w)
{
    if (w->form != MD_TN) return rows_collide(w->k) ? 512 : 768;
    if (2 * MR > LINE_REALS) return 768;
    return w->m > NEAR_REALS ? 2 * NR : PTRDIFF_MAX;
}

/* Each block reads its parts of a and b, so a worker alone makes no more than it must. */
static void matmul_blocks(matmul_work *w)
{
    const int is_long = w->k > KC && w->m > MC;          /* what is copied of b is then shared */
    ptrdiff_t down = ceil_div(w->m, is_long ? LOW_MC : MC);
    ptrdiff_t across = w->is_flat ? 1 : ceil_div(w->n, blocks_share(w, down) ? NC : ALONE);
    const ptrdiff_t most = 2 * md_workers(), repaid = (ptrdiff_t)(w->cost / BLOCK_NS);
    const ptrdiff_t wanted =
        most == 2 || w->cost < WORTH_WAKING_NS ? 1 : smaller(most, larger(2, repaid));
    while (down * across < wanted) {
        const ptrdiff_t height = w->m / down, width = w->n / across;
        if (is_high(w, height, width)) down *= 2;
        else if (width >= 2 * NR) across *= 2;
        else if (height >= 2 * MR) down *= 2;
        else break;
    }
    /* Some more where that shares c out more evenly: 3 blocks would leave one of 2 workers idle. */
    ptrdiff_t share = wanted > 1 ? largest_share(w, down, across) : 0;
    for (ptrdiff_t more = across + 1; share && down * more <= 2 * wanted; more++) {
        const ptrdiff_t its_share = largest_share(w, down, more);
        if (its_share < share) across = more, share = its_share;
    }
    w->mc = ceil_div(w->m, down);
    w->nc = block_columns(w, down, across);
    w->blocks_down = ceil_div(w->m, w->mc);
    w->blocks_across = ceil_div(w->n, w->nc);
    w->slices = larger(1, ceil_div(w->k, is_long ? LONG_KC : KC));

    const int repays = w->m > REPAY && w->n > (w->form == MD_NN ? NR : 4 * NR) &&
                       w->k * w->n > L1_REALS;
    w->copies_b = w->b_masked || w->form == MD_NT ||
                  (!w->is_flat && (repays || (w->m > 4 * MR && w->n > NEAR_ROW)));
    w->shares_b = w->copies_b && blocks_share(w, w->blocks_down);
    w->parts = larger(1, smaller(w->form == MD_NT ? ceil_div(w->n, NR) : w->k, most / w->slices));
    w->group = w->form == MD_NT ? NR : w->k * w->n > FAR_REALS ? ALONE : GROUP;
    w->copies_a = smaller(w->n, w->nc) >= columns_repaying_a(w) && w->mc > MR;
}

INLINE ptrdiff_t slice_at(const matmul_work *w, ptrdiff_t s) { return s * w->k / w->slices; }

/* ---- b ---- */

/* Which element of b as it is stored. */
INLINE ptrdiff_t b_at(const matmul_work *w, ptrdiff_t k, ptrdiff_t j)
{
    return w->form == MD_NT ? j * w->k + k : k * w->n + j;
}

/* Panels of b from (k0, j0) on, k x cols. */
static void copy_b(real *copy, const matmul_work *w, ptrdiff_t k0, ptrdiff_t k, ptrdiff_t j0,
                   ptrdiff_t cols)
{
    if (w->form != MD_NT) copy_panels(copy, k, &w->b, b_at(w, k0, j0), w->n, k, cols);
    else
        for (ptrdiff_t j = 0; j < cols; j += NR)
            copy_turned(copy + j * k, NR, &w->b, b_at(w, k0, j0 + j), w->k, smaller(NR, cols - j),
                        k);
}

/* What all blocks share is made in parts: some rows of a slice each, as b is stored. */
static void share_item(void *context, ptrdiff_t item, int worker)
{
    const matmul_work *w = context;
    const ptrdiff_t parts = w->parts, s = item / parts, part = item % parts;
    const ptrdiff_t k0 = slice_at(w, s), k = slice_at(w, s + 1) - k0, panels = ceil_div(w->n, NR);
    real *shared = w->shared + k0 * panels * NR;
    (void)worker;
    if (w->form == MD_NT) {
        const ptrdiff_t j0 = part * panels / parts * NR, j1 = (part + 1) * panels / parts * NR;
        copy_b(shared + j0 * k, w, k0, k, j0, smaller(w->n, j1) - j0);
    } else {
        const ptrdiff_t r0 = part * k / parts, r1 = (part + 1) * k / parts;
        copy_panels(shared + r0 * NR, k, &w->b, b_at(w, k0 + r0, 0), w->n, r1 - r0, w->n);
    }
}

/* ---- a ---- */

/* The slice of a, rows x k from (i0, k0), in panels as tile_column cuts them. */
static void copy_a(real *copy, const matmul_work *w, ptrdiff_t i0, ptrdiff_t rows, ptrdiff_t k0,
                   ptrdiff_t k)
{
    if (w->form == MD_TN) copy_columns(copy, w->a + k0 * w->m + i0, w->m, k, rows);
    else copy_rows(copy, w->a + i0 * w->k + k0, w->k, k, rows);
}

/* ---- c ---- */

/* As many columns of a block as go by in rows of tiles, along some of b that stay in L1. Not where
   another worker's lie beside them, unless nothing is fetched for what is written (see is_high). */
static ptrdiff_t flat_columns(const matmul_work *w, const md_tile *tile, ptrdiff_t i0,
                              ptrdiff_t rows, ptrdiff_t j0, ptrdiff_t cols)
{
    if (!w->is_flat || (w->blocks_across > 1 && !w->past)) return 0;
    const ptrdiff_t whole = cols / NR * NR;
    md_tile t = *tile;
    t.c_row = w->n;
    for (ptrdiff_t j = j0; j < j0 + whole; j += t.count * NR) {
        t.count = smaller(ALONE, j0 + whole - j) / NR;
        t.b = w->b.data + j;
        t.c = w->c + i0 * w->n + j;
        t.bias = w->bias ? w->bias + j : NULL;
        tile_across(&t, rows);
    }
    return whole;
}

/* What will be wanted is asked for while so many panels go by. */
INLINE void ask_meanwhile(md_tile *t, const real *wanted, ptrdiff_t reals, ptrdiff_t rows,
                          ptrdiff_t panels)
{
    ask_in_steps(t, wanted, reals * (ptrdiff_t)sizeof(real),
                 t->k * column_tiling(t, rows).count * panels);
}

static void matmul_item(void *context, ptrdiff_t item, int worker)
{
    const matmul_work *w = context;
    const ptrdiff_t i0 = item / w->blocks_across * w->mc, j0 = item % w->blocks_across * w->nc;
    const ptrdiff_t rows = smaller(w->mc, w->m - i0), cols = smaller(w->nc, w->n - j0);
    const ptrdiff_t panel = w->mc <= 3 && !w->copies_b ? w->nc : NR;  /* wide tiles */
    real *a_copy = w->scratch + worker * SCRATCH, *b_copy = a_copy + A_SCRATCH;
    real *c_copy = b_copy + B_SCRATCH;
    const int waits = w->slices > 1 && panel == NR && rows > 4 * MR;
    /* The block below is likely next: its rows of a are one piece. */
    const int asks_below = w->slices == 1 && w->form != MD_TN && !w->copies_a && i0 + rows < w->m;
    const md_run whole = {0, 0};
    md_tile t = {.runs = &whole, .nruns = 1, .a_row = w->k, .a_step = 1,
                 .b_step = w->copies_b ? NR : w->n};

    for (ptrdiff_t s = 0; s < w->slices; s++) {                   /* slices of k */
        const ptrdiff_t k0 = slice_at(w, s), k = slice_at(w, s + 1) - k0;
        const int last = s == w->slices - 1;
        t.k = k;
        t.resume = s > 0;
        t.relu = w->relu && last;
        t.past = w->past && last;
        t.ask = NULL, t.ask_step = 0;
        t.a = w->form == MD_TN ? w->a + k0 * w->m + i0 : w->a + i0 * w->k + k0;
        if (w->form == MD_TN) t.a_row = 1, t.a_step = w->m;
        if (w->copies_a) {
            copy_a(a_copy, w, i0, rows, k0, k);
            t.a = a_copy, t.a_row = 1, t.a_step = MR, t.a_tile = MR * k;
        }
        /* What the next slice reads as it stands comes from memory: b, then a where in one piece. */
        const int asks_a = !last && w->form == MD_TN && !w->copies_a && w->mc == w->m && cols > NR;
        const ptrdiff_t from_here = asks_a ? ceil_div(cols, 2 * NR) * NR : cols;
        if (!last && !w->copies_b)
            ask_meanwhile(&t, w->b.data + b_at(w, k0 + k, 0), k * w->n, rows,
                          ceil_div(from_here, NR));
        ptrdiff_t j = panel == NR ? flat_columns(w, &t, i0, rows, j0, cols) : 0;
        for (; j < cols; j += panel) {                            /* panels of b */
            t.cols = smaller(panel, cols - j);
            t.c = w->c + i0 * w->n + j0 + j, t.c_row = w->n, t.after = t.c + panel;
            if (waits) t.from = c_copy + j * rows, t.from_row = NR;
            if (waits && !last) t.c = c_copy + j * rows, t.c_row = NR, t.after = t.c + NR * rows;
            t.bias = w->bias && last ? w->bias + j0 + j : NULL;
            t.b = !w->copies_b ? w->b.data + b_at(w, k0, j0 + j)
                  : w->shares_b ? w->shared + k0 * round_up(w->n, NR) + (j0 + j) * k
                  : b_copy + j % w->group * k;
            if (t.b == b_copy) copy_b(b_copy, w, k0, k, j0 + j, smaller(w->group, cols - j));
            if (w->form == MD_NT && w->slices == 1 && !w->shares_b)  /* the next panel */
                ask_meanwhile(&t, w->b.data + b_at(w, 0, j0 + j + NR), NR * k, rows, 1);
            if (asks_below && j0 + j + panel >= w->n)                /* the last panel */
                ask_meanwhile(&t, w->a + (i0 + rows) * w->k, smaller(rows, w->m - i0 - rows) * w->k,
                              rows, 1);
            if (asks_a && j == from_here)
                ask_meanwhile(&t, t.a + k * w->m, k * w->m, rows, ceil_div(cols - j, NR));
            tile_column(&t, rows);                                /* tiles down the panel */
        }
    }
}

static matmul_work matmul_plan(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int form, int b_masked)
{
    matmul_work w = {.m = m, .n = n, .k = k, .form = form, .b_masked = b_masked};
    w.cost = chains_cost((double)m * (double)round_up(n, W), k);
    w.is_flat = k < LONG_RUN && form != MD_NT && !b_masked;
    matmul_blocks(&w);
    return w;
}

/* Few columns leave lanes idle, unless they fill a vector. In TN, c^T = b^T a has them as rows, and
   takes a and b as they stand: it is made instead, and turned round. */
INLINE int is_turned(ptrdiff_t m, ptrdiff_t n, int form)
{
    return form == MD_TN && n < NR && n % W && m >= 2 * NR;
}

static ptrdiff_t plan_scratch(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int form, int b_masked)
{
    const ptrdiff_t workers = (ptrdiff_t)md_workers() * SCRATCH;
    return workers + (matmul_plan(m, n, k, form, b_masked).shares_b ? k * round_up(n, NR) : 0);
}

static ptrdiff_t matmul_scratch(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int form, int b_masked)
{
    if (m == 0 || n == 0) return (ptrdiff_t)md_workers() * SCRATCH;
    const ptrdiff_t plain = plan_scratch(m, n, k, form, b_masked);
    if (b_masked) return plain;
    const ptrdiff_t turned = is_turned(m, n, form) ? plan_scratch(n, m, k, form, 0) + m * n : 0;
    return larger(larger(plain, turned), sparse_scratch(m, n, k, form));
}

static void matmul_run(matmul_work *w)
{
    w->shared = w->scratch + (ptrdiff_t)md_workers() * SCRATCH;
    w->past = lines_go_past(w->c, w->m * w->n, w->n);
    if (w->shares_b)
        md_parallel_for(w->slices * w->parts, (double)(w->k * w->n) / 2, share_item, w);
    md_parallel_for(w->blocks_down * w->blocks_across, w->cost, matmul_item, w);
}

static void matmul(real *c, const real *a, const real *b, const real *bias, ptrdiff_t m,
                   ptrdiff_t n, ptrdiff_t k, int form, int relu, real *scratch)
{
    if (m == 0 || n == 0) return;
    const int plain = !bias && !relu;
    const listing which = listing_of(a, b, m, n, k, form, plain);
    if (which != LIST_NEITHER) {
        matmul_sparse(c, a, b, bias, m, n, k, form, relu, which, scratch);
        return;
    }
    if (is_turned(m, n, form) && plain) {
        real *turned = scratch + plan_scratch(n, m, k, form, 0);
        matmul_work w = matmul_plan(n, m, k, form, 0);
        w.c = turned, w.a = b, w.b.data = a, w.scratch = scratch;
        matmul_run(&w);
        copy_transposed(c, n, turned, m, n, m);
        return;
    }
    matmul_work w = matmul_plan(m, n, k, form, 0);
    w.c = c, w.a = a, w.b.data = b, w.bias = bias, w.relu = relu, w.scratch = scratch;
    matmul_run(&w);
}

static void matmul_masked(real *c, const real *a, const real *b, const uint32_t *bits, double scale,
                          const real *bias, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int form,
                          real *scratch)
{
    if (m == 0 || n == 0) return;
    matmul_work w = matmul_plan(m, n, k, form, 1);
    w.c = c, w.a = a, w.b = (masked){b, bits, (real)scale}, w.bias = bias, w.scratch = scratch;
    matmul_run(&w);
}

#endif
