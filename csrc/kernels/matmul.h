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
   panel: its rows in c would lie so far apart that they collide in L2. While panels go by, memory
   is asked for what comes next: a slice, a panel, the block beside or below.
   No choice here changes the chain of an element of c.

   Where k is very short, and b read as it stands, the way from panel to panel would take as long as
   a tile: row by row of tiles instead, along some columns of b that stay in L1.

   Where k is long and all of a fits in L3, matmul_tall.h lets a pass by panels of b instead. Where
   c has few rows, matmul_skinny.h reads a large b from end to end; where many elements of a factor
   are zero, matmul_sparse.h has less to do. */
#ifndef MD_MATMUL_H
#define MD_MATMUL_H

#include "matmul_plan.h"
#include "matmul_skinny.h"
#include "matmul_sparse.h"
#include "matmul_tall.h"

/* ---- b ---- */

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

/* ---- what comes next ---- */

/* Where a worker is: a block of c, a slice of k. */
typedef struct { ptrdiff_t i0, rows, j0, cols, k0, k; int last; } matmul_place;

/* The b of a next block or slice, of which only some columns are wanted: a row in each panel, or
   some lines of all rows in each of the first. */
INLINE void ask_for_columns(md_tile *t, const matmul_work *w, ptrdiff_t k0, ptrdiff_t j0,
                            ptrdiff_t panel, ptrdiff_t down)
{
    const ptrdiff_t pitch = w->n * (ptrdiff_t)sizeof(real);
    if (w->rows_asked) {
        ask_in_steps(t, w->b.data + (k0 + panel) * w->n + j0, w->nc * sizeof(real), t->k);
        t->ask_tile = pitch;
    } else if (panel == 0) ask_in_tiles(t, w->b.data + k0 * w->n + j0, pitch);
    else if (panel * down * ASK_LINES > w->nc / LINE_REALS) t->ask = NULL;
}

/* Before a panel: what will be wanted from memory after it is asked for while its tiles go by. */
static void ask_for_next(md_tile *t, const matmul_work *w, const matmul_place *p, ptrdiff_t panel)
{
    const int one_slice = w->slices == 1;
    if (one_slice && w->blocks_down == 1 && w->form != MD_NT && !w->is_far) return;
    const ptrdiff_t panels = ceil_div(p->cols, NR), down = column_tiling(t, p->rows).count;
    const ptrdiff_t k1 = p->k0 + p->k, i1 = p->i0 + p->rows, j1 = p->j0 + p->cols;
    const ptrdiff_t size = sizeof(real), steps = p->k * down;        /* of a panel */
    const int beside = w->is_far && !w->shares_b && p->cols < w->n;

    if (w->shares_b && panel + 1 < panels) {       /* the next panel, out of L2 by now */
        ask_in_steps(t, t->b + NR * p->k, NR * p->k * size, steps);
        return;
    }
    if (!p->last) {                                /* the next slice: b, then a in one piece */
        const int a_too = w->form == MD_TN && !w->copies_a && w->mc == w->m && panels > 1;
        const ptrdiff_t turn = a_too ? ceil_div(panels, 2) : panels;
        if (beside) ask_for_columns(t, w, k1, p->j0, panel, down);
        else if (panel == 0 && !w->copies_b)
            ask_in_steps(t, w->b.data + b_at(w, k1, 0), p->k * w->n * size, steps * turn);
        if (a_too && panel == turn)
            ask_in_steps(t, w->a + k1 * w->m, p->k * w->m * size, steps * (panels - turn));
        return;
    }
    if (beside && j1 < w->n)                       /* the block beside */
        ask_for_columns(t, w, 0, j1, panel, down);
    if (!one_slice) return;
    if (w->form == MD_NT && !w->shares_b)          /* the next panel */
        ask_in_steps(t, w->b.data + (p->j0 + (panel + 1) * NR) * w->k, NR * p->k * size, steps);
    if (panel + 1 < panels || j1 < w->n || i1 == w->m) return;       /* the block below */
    if (w->form != MD_TN)
        ask_in_steps(t, w->a + i1 * w->k, smaller(p->rows, w->m - i1) * p->k * size, steps);
    else if (w->copies_a) {
        ask_in_tiles(t, w->a + i1, w->m * size);
        t->ask_tile = ceil_div(p->rows * size, down);
    }
}

/* ---- c ---- */

/* As many columns of a flat block as go by in rows of tiles, along some of b that stay in L1. Not
   where another worker's lie beside them, unless nothing is fetched for what is written (see
   is_high). */
static ptrdiff_t flat_columns(const matmul_work *w, const md_tile *tile, const matmul_place *p)
{
    if (!w->is_flat || (w->blocks_across > 1 && !w->past)) return 0;
    const ptrdiff_t whole = p->cols / NR * NR, end = p->j0 + whole;
    md_tile t = *tile;
    t.c_row = w->n;
    for (ptrdiff_t j = p->j0; j < end; j += t.count * NR) {
        t.count = smaller(ALONE, end - j) / NR;
        t.b = w->b.data + j;
        t.c = w->c + p->i0 * w->n + j;
        t.bias = w->bias ? w->bias + j : NULL;
        tile_across(&t, p->rows);
    }
    return whole;
}

static void matmul_item(void *context, ptrdiff_t item, int worker)
{
    const matmul_work *w = context;
    const ptrdiff_t i0 = item / w->blocks_across * w->mc, j0 = item % w->blocks_across * w->nc;
    const ptrdiff_t rows = smaller(w->mc, w->m - i0), cols = smaller(w->nc, w->n - j0);
    const int is_wide = tile_vectors(w->mc) > NV && !w->copies_b;
    const ptrdiff_t panel = is_wide ? w->nc : NR;
    real *a_copy = w->scratch + worker * SCRATCH, *b_copy = a_copy + A_SCRATCH;
    real *c_copy = b_copy + B_SCRATCH;
    const int waits = w->slices > 1 && !is_wide && rows > 4 * MR;
    const md_run whole = {0, 0};
    md_tile t = {.runs = &whole, .nruns = 1, .a_row = w->k, .a_step = 1,
                 .b_step = w->copies_b ? NR : w->n};

    for (ptrdiff_t s = 0; s < w->slices; s++) {                   /* slices of k */
        const ptrdiff_t k0 = slice_at(w, s), k = slice_at(w, s + 1) - k0;
        const int last = s == w->slices - 1;
        const matmul_place place = {i0, rows, j0, cols, k0, k, last};
        t.k = k;
        t.resume = s > 0;
        t.relu = w->relu && last;
        t.past = w->past && last;
        t.ask = NULL;
        t.a = w->form == MD_TN ? w->a + k0 * w->m + i0 : w->a + i0 * w->k + k0;
        if (w->form == MD_TN) t.a_row = 1, t.a_step = w->m;
        if (w->copies_a) {
            copy_a(a_copy, w, i0, rows, k0, k);
            t.a = a_copy, t.a_row = 1, t.a_step = MR, t.a_tile = MR * k;
        }
        ptrdiff_t j = is_wide ? 0 : flat_columns(w, &t, &place);
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
            if (w->is_tall) {                                     /* tiles down the panel */
                tall_column(&t, w, rows, j0 + j, j % w->group + NR == w->group);
            } else {
                ask_for_next(&t, w, &place, j / NR);
                tile_column(&t, rows);
            }
        }
    }
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

/* What is planned, with the operands and the scratch that have come to it. */
static void matmul_run(matmul_work *w)
{
    w->shared = w->scratch + (ptrdiff_t)md_workers() * SCRATCH;
    w->past = lines_go_past(w->c, w->m * w->n, w->n);
    if (w->shares_b)
        md_parallel_for(w->slices * w->parts, (double)(w->k * w->n) / 2, share_item, w);
    md_parallel_for(w->blocks_down * w->blocks_across, w->cost, matmul_item, w);
}

/* Whether blocks are all there is to it, whatever the factors hold. */
static int is_blocked(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int form)
{
    return !may_be_listed(m, n, k, form) && !is_skinny(m, n, k, form) && !is_turned(m, n, form);
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
    if (is_skinny(m, n, k, form)) {
        matmul_skinny(c, a, b, bias, m, n, k, relu);
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
