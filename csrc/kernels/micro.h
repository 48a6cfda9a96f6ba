/* The micro-kernel: a small tile of C kept in registers while k runs by.

              NV vectors of W columns
            +-----------+-----------+
      b[k]  |  b[k][0]  |  b[k][1]  |          one row of b, loaded once
            +-----------+-----------+
   a[0][k] -> acc[0][0]   acc[0][1]            each a[i][k] is broadcast, and
   a[1][k] -> acc[1][0]   acc[1][1]            multiplied into its row of accumulators
      ...         ...         ...
   a[M-1][k]-> acc[M-1][0] acc[M-1][1]

   Matrix products and convolutions differ only in where the next a and b are. So k comes in `runs`:
   run r reads a from a + runs[r].a in steps of a_step, and b from b + runs[r].b in steps of b_step.
   A product has one run; a convolution has one for each kernel row; a weight gradient one for each
   image row. Each element of C stays one sequential chain over all runs, in order. */
#ifndef MD_MICRO_H
#define MD_MICRO_H

#include "../vec.h"
#include "ahead.h"

#define NV MD_TILE_VECTORS          /* vectors across a full tile */
enum { MR = MD_TILE_ROWS, NR = NV * W, MOST_ROWS = 14, MOST_VECTORS = 8, AHEAD = 12 };

/* Of L1: the lines that a set holds, and how far apart places of the same set lie. */
enum { WAYS = 8, SET_BYTES = 4096 };

enum { NEAR_REALS = 256 }; /* of a row of an operand: so few that rows hardly collide in L1 */
enum { SPARE = 4 }; /* a tile of so many rows has time for a load more in each step of k */

/* C's next tile is asked for meanwhile, a few lines at once: more would make what is read here wait
   for them. So a run of many steps goes by in parts. */
enum { AT_ONCE = 8, LONG_RUN = 16 };

/* Of what will be wanted later, a step of k asks for as much as it takes from b. */
enum { ASK_LINES = NV * W > LINE_REALS ? NV * W / LINE_REALS : 1 };

typedef struct { ptrdiff_t a, b; } md_run;

typedef struct {
    const real *a, *b;
    ptrdiff_t a_row, a_step, b_step;  /* between rows of the tile; between steps of k */
    ptrdiff_t a_tile;                 /* from a tile to the one below; 0: its rows times a_row */
    const md_run *runs;
    ptrdiff_t nruns, k;               /* steps of k in each run */
    real *c;
    ptrdiff_t c_row;
    ptrdiff_t cols;                   /* columns of C that exist: the last vector may be partial */
    ptrdiff_t count;                  /* tiles below each other, */
    int across;                       /* or side by side, of the same rows of a */
    int resume;                       /* go on with the chain whose value stands in `from` */
    const real *from;                 /* NULL: in c; else with rows from_row apart */
    ptrdiff_t from_row;
    const real *bias;                 /* added at the end, or NULL; `cols` of it */
    int relu;                         /* then max(., 0), NaN kept */
    const real *after;                /* C's tile after the last; NULL: the next one below */
    const char *ask;                  /* what will be wanted after this, or NULL: */
    ptrdiff_t ask_step;               /* so many bytes further with each step of k, */
    ptrdiff_t ask_tile;               /* and from a tile to the one below; 0: where its steps end */
    int past;                         /* c goes past the caches: its rows are whole lines */
} md_tile;

/* Loops over the rows and over the vectors of a tile, whose ends a compiler sees before it knows
   how many there are: clang would unroll them too late for acc to live in registers. */
#define EACH_ROW(i, rows) EACH(i, MOST_ROWS) if (i < (rows))
#define EACH_VECTOR(j, nv) EACH(j, MOST_VECTORS) if (j < (nv))

INLINE vf load_column(const real *p, int j, int last, ptrdiff_t part)
{
    return j < last ? load(p + j * W) : load_part(p + j * W, part);
}

/* The compiler must not see that a pointer comes from another: it would then keep one register for
   each row of the tile, more than there are, and reload them from the stack in the loop. */
#define HIDE(x) __asm__("" : "+r"(x))

/* rows, nv, packed and whole are constants where these are inlined, so that acc lives in registers.
   packed: a_row is 1, and the rows of a are constant offsets; otherwise they are reached from three
   pointers, five rows apart. whole: every one of the nv vectors is complete. */
typedef vf tile_acc[MOST_ROWS][MOST_VECTORS];

/* So many steps of k. asks, a constant too: each asks for a little at `ask`. */
INLINE void tile_steps(tile_acc acc, const md_tile *t, const real *a_here, const real *b,
                       ptrdiff_t steps, const char *ask, const int rows, const int nv,
                       const int packed, const int whole, const int asks)
{
    const int last = whole ? nv : nv - 1;
    const ptrdiff_t part = t->cols - (nv - 1) * W;
    const ptrdiff_t a_step = t->a_step, b_step = t->b_step, ask_step = t->ask_step;
    const ptrdiff_t a_row = packed ? 1 : t->a_row;
    ptrdiff_t a_row3 = 3 * a_row;
    const real *a[3] = {a_here, a_here + 5 * a_row, a_here + 10 * a_row};
    /* So few rows of c that b comes at the pace of memory: ask in time, unless asking for a line
       costs what all that is done with it does. It pays even so where the rows are parts of longer
       ones: of the lines that the hardware asks for by itself, some are another worker's. */
    const int narrow = b_step > nv * W && b_step <= NEAR_REALS;
    const int asks_b = nv > NV && (rows > 1 || W < LINE_REALS || narrow);
    if (!packed) HIDE(a_row3);
    if (!packed && rows > 5) HIDE(a[1]);
    if (!packed && rows > 10) HIDE(a[2]);
    MD_UNROLLED_BY_4 for (ptrdiff_t k = steps; k > 0; k--) {
        vf row[MOST_VECTORS];
        if (asks_b)
            EACH(j, nv * W / LINE_REALS)
                __builtin_prefetch(b + AHEAD * b_step + j * LINE_REALS);
        EACH_VECTOR(j, nv) row[j] = load_column(b, j, last, part);
        if (asks) {
            EACH(line, ASK_LINES) ask_line(ask + line * LINE_BYTES);
            ask += ask_step;
        }
        EACH_ROW(i, rows) {
            const ptrdiff_t at = i % 5 == 3 ? a_row3 : i % 5 * a_row;
            const vf x = set1(packed ? a[0][i] : a[i / 5][at]);
            EACH_VECTOR(j, nv) acc[i][j] = fma_(x, row[j], acc[i][j]);
        }
        a[0] += a_step, a[1] += a_step, a[2] += a_step;
        b += b_step;
    }
}

INLINE void ask_for_rows(const real *c, ptrdiff_t c_row, ptrdiff_t rows, const int nv)
{
    for (; rows > 0; rows--, c += c_row)
        EACH(j, ceil_div(nv * W, LINE_REALS)) __builtin_prefetch(c + j * LINE_REALS);
}

/* From row to row, with no address kept: else the compiler makes all of them before it begins. */
INLINE void load_tile(tile_acc acc, const real *c, ptrdiff_t c_row, const int rows, const int nv,
                      const int last, ptrdiff_t part)
{
    EACH_ROW(i, rows) {
        EACH_VECTOR(j, nv) acc[i][j] = load_column(c, j, last, part);
        c += c_row;
        HIDE(c);
    }
}

INLINE void clear_tile(tile_acc acc, const int rows, const int nv)
{
    EACH_ROW(i, rows)
        EACH_VECTOR(j, nv) acc[i][j] = zero();
}

INLINE void store_tile(real *c, ptrdiff_t c_row, tile_acc acc, const int rows, const int nv,
                       const int last, ptrdiff_t part, const int past)
{
    EACH_ROW(i, rows) {
        EACH_VECTOR(j, nv) {
            if (past) store_nontemporal(c + j * W, acc[i][j]);
            else if (j < last) store(c + j * W, acc[i][j]);
            else store_part(c + j * W, acc[i][j], part);
        }
        c += c_row;
        HIDE(c);
    }
}

/* The bias, unless NULL, and then relu. */
INLINE void finish_tile(tile_acc acc, const real *bias, int relu, const int rows, const int nv,
                        const int last, ptrdiff_t part)
{
    if (bias)
        EACH_VECTOR(j, nv) {
            const vf beside = load_column(bias, j, last, part);
            EACH_ROW(i, rows) acc[i][j] += beside;
        }
    if (relu)
        EACH_ROW(i, rows)
            EACH_VECTOR(j, nv) acc[i][j] = max_(zero(), acc[i][j]);
}

INLINE void tile_body(const md_tile *t, const int rows, const int nv, const int packed,
                      const int whole)
{
    const int last = whole ? nv : nv - 1;
    const ptrdiff_t part = t->cols - (nv - 1) * W;
    const ptrdiff_t c_row = t->c_row;
    const ptrdiff_t a_tile = t->across ? 0 : t->a_tile ? t->a_tile : rows * t->a_row;
    const ptrdiff_t b_tile = t->across ? nv * W : 0;
    const ptrdiff_t c_tile = t->across ? nv * W : rows * t->c_row;
    const ptrdiff_t from_row = t->from ? t->from_row : c_row;
    const ptrdiff_t from_tile = t->across ? nv * W : rows * from_row;
    const int few = ceil_div(rows, ceil_div(rows * ceil_div(nv * W, LINE_REALS), AT_ONCE));
    const int most_parts = ceil_div(rows, few);
    const real *a_here = t->a, *b_here = t->b, *from = t->from ? t->from : t->c;
    const real *bias_here = t->bias;
    real *c = t->c;
    const char *ask = t->ask, *ask_here = ask;
    /* So little that the loop over runs and parts, which leaves registers for little, shows. */
    const int is_short = t->nruns == 1 && t->k < LONG_RUN && !ask;
    tile_acc acc;

    for (ptrdiff_t tile = t->count; tile > 0; tile--) {
        const real *below = tile == 1 && t->after ? t->after : c + c_tile;
        if (t->resume) load_tile(acc, from, from_row, rows, nv, last, part);
        else clear_tile(acc, rows, nv);

        if (is_short)
            tile_steps(acc, t, a_here + t->runs->a, b_here + t->runs->b, t->k, NULL, rows, nv,
                       packed, whole, 0);
        else for (ptrdiff_t r = 0; r < t->nruns; r++) {
            const real *a = a_here + t->runs[r].a, *b = b_here + t->runs[r].b;
            const int parts = r == 0 && t->k >= LONG_RUN ? most_parts : 1;
            const int asks_below = r == 0 && parts == most_parts && !t->past;
            ptrdiff_t left = t->k;
            for (int p = 0; p < parts; p++) {
                const ptrdiff_t steps = p + 1 < parts ? t->k / most_parts : left;
                left -= steps;
                if (asks_below)
                    ask_for_rows(below + p * few * c_row, c_row, smaller(few, rows - p * few), nv);
                if (rows >= SPARE && nv == NV && ask) {
                    tile_steps(acc, t, a, b, steps, ask, rows, nv, packed, whole, 1);
                    ask += steps * t->ask_step;
                } else tile_steps(acc, t, a, b, steps, NULL, rows, nv, packed, whole, 0);
                a += steps * t->a_step, b += steps * t->b_step;
            }
        }

        finish_tile(acc, bias_here, t->relu, rows, nv, last, part);
        if (bias_here) bias_here += b_tile;
        if (whole && t->past) store_tile(c, c_row, acc, rows, nv, last, part, 1);
        else store_tile(c, c_row, acc, rows, nv, last, part, 0);
        a_here += a_tile, b_here += b_tile;
        from += from_tile;
        c += c_tile;
        if (ask && t->ask_tile) ask = ask_here += t->ask_tile;
    }
}

#define MD_TILE(rows, nv) \
    static void packed_##rows##x##nv(const md_tile *t) { tile_body(t, rows, nv, 1, 1); } \
    static void packed_edge_##rows##x##nv(const md_tile *t) { tile_body(t, rows, nv, 1, 0); } \
    static void strided_##rows##x##nv(const md_tile *t) { tile_body(t, rows, nv, 0, 1); } \
    static void strided_edge_##rows##x##nv(const md_tile *t) { tile_body(t, rows, nv, 0, 0); }

/* Full width and one vector, for every number of rows; and wide tiles for very few rows,
   where a full-width tile has too few independent chains to keep the FMA units busy. */
#define MD_TILES(X) \
    X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(5, 1) X(6, 1) X(1, 2) X(2, 2) X(3, 2) X(4, 2) X(5, 2) X(6, 2)
#define MD_MORE_TILES(X) \
    X(7, 1) X(8, 1) X(9, 1) X(10, 1) X(11, 1) X(12, 1) X(13, 1) X(14, 1) \
    X(7, 2) X(8, 2) X(9, 2) X(10, 2) X(11, 2) X(12, 2) X(13, 2) X(14, 2)
#define MD_WIDE_TILES(X) X(1, 8) X(1, 4) X(2, 4) X(3, 4)

#define MD_TILE_ENTRY(rows, nv) \
    [rows][nv] = {{strided_##rows##x##nv, strided_edge_##rows##x##nv}, \
                  {packed_##rows##x##nv, packed_edge_##rows##x##nv}},

MD_TILES(MD_TILE)
MD_WIDE_TILES(MD_TILE)
#if MD_TILE_ROWS > 6
MD_MORE_TILES(MD_TILE)
#endif

static void (*const tiles[MOST_ROWS + 1][MOST_VECTORS + 1][2][2])(const md_tile *) = {
    MD_TILES(MD_TILE_ENTRY)
    MD_WIDE_TILES(MD_TILE_ENTRY)
#if MD_TILE_ROWS > 6
    MD_MORE_TILES(MD_TILE_ENTRY)
#endif
};

#endif
