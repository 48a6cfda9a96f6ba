/* How a matrix product is cut into blocks, and what of its factors is copied: all that shapes and
   the number of workers decide. No choice here changes the chain of an element of c. matmul.h
   draws what is cut. */
#ifndef MD_MATMUL_PLAN_H
#define MD_MATMUL_PLAN_H

#include "../minidrop.h"
#include "pack.h"
#include "tiling.h"

enum { KC = 512, MC = 256, NC = 2048, FAR_REALS = 1 << 20 };
/* Where blocks of a long k share b: low ones, so that c waits less often between slices of k; and
   lower where it does wait, in L2 beside a's slice. */
enum { LONG_KC = 1024, LOW_MC = 128, LOWEST_MC = 84 };
/* Rows of c that repay a copy of b: fewer where a panel's rows are one line each, which lie so far
   apart in b that L1 holds few of them. */
enum { REPAY = (NV * W > LINE_REALS ? 24 : 8) * MR };
enum { L1_REALS = 8192 };   /* of a b that stays in L1 as it stands */
enum { ALONE = 512 };       /* columns at most of a block that makes its own panels of b */
/* Where b comes from memory: so many reals of it, and as many of what comes next, stay in L2. Where
   k is long, low slices, of which rows of b may be wider. */
enum { FAR_BLOCK = 1 << 16, FAR_KC = KC / 2 };
enum { FEW_ROWS = 32 };      /* of b in a slice, too few for c to be taken up again after them */
enum { BLOCK_NS = 70000 };  /* so much repays a block more, up to two for each worker */
enum { GROUP = 64 };        /* columns of b in a group: 4 lines of a row */
enum { UNEVEN = 32 };       /* more work than the mean, by one of so many, is unevenly shared */
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
    int is_far;                       /* b comes from memory, its rows as they are wanted */
    ptrdiff_t rows_asked;             /* of b's next slice, one by each panel; 0: by blocks */
    int is_flat;                      /* k is short, and b read as it stands */
    int is_tall;                      /* a passes by panels of b: see matmul_tall.h */
    ptrdiff_t group;                  /* columns of b that are copied together */
    int copies_a, copies_b, shares_b, past;
    real *shared, *scratch;           /* b in panels: [slice][panel][kc][NR]; for each worker */
} matmul_work;

/* So many blocks below each other share their copies of b: two of them only where a worker alone
   would make the copies twice, and finds them in the cache again. */
INLINE int blocks_share(const matmul_work *w, ptrdiff_t down)
{
    const int near = w->form != MD_NT && !w->is_far;
    return !w->is_tall && down > (md_workers() == 1 && near ? 1 : 2);
}

/* Of each of so many blocks: whole vectors, and whole panels where those of b are shared. */
INLINE ptrdiff_t block_columns(const matmul_work *w, ptrdiff_t down, ptrdiff_t across)
{
    return round_up(ceil_div(w->n, across), blocks_share(w, down) ? NR : W);
}

/* The reals of c that fall to the busiest worker, if c is cut into so many blocks; the last panel
   of a tall one counts as whole, for it takes as long. */
INLINE ptrdiff_t largest_share(const matmul_work *w, ptrdiff_t down, ptrdiff_t across)
{
    const ptrdiff_t mc = ceil_div(w->m, down), nc = block_columns(w, down, across);
    const ptrdiff_t width = w->is_tall ? round_up(nc, NR) : nc;
    return ceil_div(ceil_div(w->m, mc) * ceil_div(w->n, nc), md_workers()) * mc * width;
}

/* So high a block is cut into low ones rather than narrow ones. Of two narrow ones on the same rows
   of c, the lines that the hardware fetches beyond the end of one are the other worker's, and go to
   and fro. Between low ones they do so once a panel, which is seldom if panels are wide. But each
   of those copies or reads all of b: much, unless the product is small or its k short. */
INLINE int is_high(const matmul_work *w, ptrdiff_t height, ptrdiff_t width)
{
    if (w->is_tall) return 0;
    if (w->cost < BLOCK_NS && NV * W > LINE_REALS) return height >= 2 * MR;
    if (w->is_flat) return height >= 4 * MR;
    return height >= (w->form == MD_NT || height < width ? 24 : 8) * MR;
}

/* The columns of a block, where b is not shared. One tile high, and b long and from memory: as many
   panels as a slice has rows, so that each tile asks for a row of the next, from end to end. */
INLINE ptrdiff_t columns_alone(const matmul_work *w)
{
    if (!w->is_far || w->is_tall) return ALONE;
    const ptrdiff_t slice = w->k <= KC ? w->k : FAR_KC;
    if (slice == w->k || w->m > MR) return smaller(ALONE, FAR_BLOCK / slice / NR * NR);
    ptrdiff_t panels = 1;
    while ((panels + 1) * (panels + 1) * NR <= FAR_BLOCK) panels++;
    return panels * NR;
}

/* So many rows of b, once it is known how wide a block is; 0: too few are left, or it is not so. */
INLINE ptrdiff_t rows_to_ask(const matmul_work *w)
{
    const ptrdiff_t rows = ceil_div(w->nc, NR);
    const int beside = w->is_far && w->nc < w->n;
    return beside && w->k > KC && w->m <= MR && rows >= FEW_ROWS ? rows : 0;
}

/* A slice of k at most. */
INLINE ptrdiff_t slice_alone(const matmul_work *w)
{
    if (!w->is_far || w->k <= KC) return KC;
    if (w->rows_asked) return w->rows_asked;
    return smaller(FAR_KC, FAR_BLOCK / w->nc);
}

/* So many columns of c repay a copy of a. Where a row of a makes a row of c, a tile reads a at its
   pace, and no number of them does; but where k comes in slices, rows that collide leave part of L2
   unused, and fewer repay a copy if a b from memory passes there as well. In TN a step of k is a
   line somewhere else: fewer do if a tile takes less than most of it, or if the lines of a long
   slice fall on few sets of L2, as rows of whole 2 KB do, and of whole 4 KB the more. */
INLINE ptrdiff_t columns_repaying_a(const matmul_work *w)
{
    const int long_slices = w->k > KC * w->slices;
    if (w->rows_asked) return ALONE;
    if (w->form != MD_TN)
        return w->slices == 1 || !rows_collide(w->k) ? PTRDIFF_MAX : w->is_far ? 256 : 512;
    if (2 * MR > LINE_REALS) {
        if (!long_slices || !rows_collide(2 * w->m)) return 768;
        return rows_collide(w->m) ? 256 : 512;
    }
    return w->m > NEAR_REALS ? 2 * NR : PTRDIFF_MAX;
}

/* Each block reads its parts of a and b, so a worker alone makes no more than it must. Several make
   some to spare, so that none waits for the last; but not where b comes from memory: each block
   would read the rows of a again, which are as far away. */
INLINE ptrdiff_t blocks_wanted(const matmul_work *w)
{
    const ptrdiff_t workers = md_workers(), repaid = (ptrdiff_t)(w->cost / BLOCK_NS);
    const int far_rows = w->is_far && !w->is_tall && w->form == MD_NN && w->m > MR;
    if (workers == 1 || w->cost < WORTH_WAKING_NS) return 1;
    return smaller(far_rows ? workers : 2 * workers, larger(2, repaid));
}

static void matmul_blocks(matmul_work *w)
{
    const int is_long = w->k > KC && w->m > MC;          /* what is copied of b is then shared */
    const ptrdiff_t highest = w->is_tall ? w->m
                              : !is_long ? MC : w->k <= LONG_KC ? LOW_MC : LOWEST_MC;
    ptrdiff_t down = ceil_div(w->m, highest);
    const ptrdiff_t widest = blocks_share(w, down) ? NC : columns_alone(w);
    ptrdiff_t across = w->is_flat ? 1 : ceil_div(w->n, widest);
    const ptrdiff_t wanted = blocks_wanted(w);
    while (down * across < wanted) {
        const ptrdiff_t height = w->m / down, width = w->n / across;
        if (is_high(w, height, width)) down *= 2;
        else if (width >= 2 * NR) across *= 2;
        else if (height >= 2 * MR) down *= 2;
        else break;
    }
    /* Some more where that shares c out more evenly: 3 blocks would leave one of 2 workers idle. */
    if (across == 1 && down > md_workers()) down = round_up(down, md_workers());
    ptrdiff_t share = wanted > 1 ? largest_share(w, down, across) : 0;
    for (ptrdiff_t more = across + 1; share && down * more <= 2 * wanted; more++) {
        const ptrdiff_t its_share = largest_share(w, down, more);
        if (its_share < share) across = more, share = its_share;
    }
    w->mc = ceil_div(w->m, down);
    w->nc = block_columns(w, down, across);
    w->blocks_down = ceil_div(w->m, w->mc);
    w->blocks_across = ceil_div(w->n, w->nc);
    w->rows_asked = rows_to_ask(w);
    w->slices = larger(1, ceil_div(w->k, is_long ? LONG_KC : slice_alone(w)));

    const int repays = w->m > REPAY && w->n > (w->form == MD_NN ? NR : 4 * NR) &&
                       w->k * w->n > L1_REALS;
    w->copies_b = w->is_tall || w->b_masked || w->form == MD_NT ||
                  (!w->is_flat && (repays || (w->m > 4 * MR && w->n > NEAR_ROW)));
    w->shares_b = w->copies_b && blocks_share(w, w->blocks_down);
    const ptrdiff_t parts = smaller(w->form == MD_NT ? ceil_div(w->n, NR) : w->k,
                                    2 * (ptrdiff_t)md_workers() / w->slices);
    w->parts = larger(1, parts);
    w->group = w->form == MD_NT ? NR : w->is_far && !w->is_tall ? ALONE : GROUP;
    w->copies_a = smaller(w->n, w->nc) >= columns_repaying_a(w) &&
                  w->mc > (w->rows_asked ? SPARE : MR);
}

/* Which element of b as it is stored. */
INLINE ptrdiff_t b_at(const matmul_work *w, ptrdiff_t k, ptrdiff_t j)
{
    return w->form == MD_NT ? j * w->k + k : k * w->n + j;
}

INLINE ptrdiff_t slice_at(const matmul_work *w, ptrdiff_t s) { return s * w->k / w->slices; }

/* Of a product, in ns, on one core. */
INLINE double product_cost(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k)
{
    return chains_cost((double)m * (double)round_up(n, W), k);
}

/* Whether a block takes all rows of c: a, as it stands, stays in L3, and each column of b is copied
   by one block alone. More rows would be more blocks, of which each would copy b. Where b comes
   from memory, only few rows: many repay a copy of all of it, which reads it in longer pieces. */
INLINE int is_tall(const matmul_work *w)
{
    return w->form != MD_TN && w->m > MC && w->n > NR && w->k > KC && w->k <= LONG_KC &&
           w->m * w->k <= FAR_REALS && (!w->is_far || w->m <= 2 * MC);
}

/* Whether the busiest worker has hardly more to do than its part. Tall blocks share out panels, of
   which a narrow c has too few; low ones share out rows as well. */
INLINE int is_even(const matmul_work *w)
{
    const ptrdiff_t busiest = largest_share(w, w->blocks_down, w->blocks_across);
    const ptrdiff_t part = w->m * round_up(w->n, NR) / md_workers();
    return busiest <= part + part / UNEVEN;
}

static matmul_work matmul_plan(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int form, int b_masked)
{
    matmul_work w = {.m = m, .n = n, .k = k, .form = form, .b_masked = b_masked};
    w.cost = product_cost(m, n, k);
    w.is_far = k * n > FAR_REALS && form != MD_NT;
    w.is_flat = k < LONG_RUN && form != MD_NT && !b_masked;
    w.is_tall = is_tall(&w);
    matmul_blocks(&w);
    if (w.is_tall && !is_even(&w)) {
        w.is_tall = 0;
        matmul_blocks(&w);
    }
    return w;
}

#endif
