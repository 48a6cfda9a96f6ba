/* The micro-kernel of sparse gradients: a tile of C in registers takes in a list of non-zeros.

                      taps, a vector each
                   +------------+
     C (rows, taps)|    acc     |  +=  value * the tile at source + at
                   +------------+
                                       for each entry of the list; C and the source have strides
                                       of their own between rows, their taps follow each other

   A value is broadcast and meets a whole tile of the source, wherever its index says. The gradient
   of w takes in tiles of x at the pixels where a channel of dz is not zero; the gradient of x takes
   in tiles of w for the channels that are not zero in a pixel of dz; there the tiles of neighbours
   overlap. Each element of C stays one sequential chain of multiply-adds in the order of the
   list. */
#ifndef MD_GATHER_H
#define MD_GATHER_H

#include "micro.h"
#include "transpose.h"

enum { GATHER_ROWS = 5, GATHER_TAPS = 8 };  /* at most */

/* A non-zero: its value, and where what it meets begins, in reals of the source. */
typedef struct { ireal at; real value; } md_entry;

typedef ireal md_entry_bits __attribute__((vector_size(sizeof(md_entry)), may_alias));

/* One store for both. */
INLINE void put_entry(md_entry *to, ireal at, real value)
{
    ireal bits;
    memcpy(&bits, &value, sizeof bits);
    *(md_entry_bits *)to = (md_entry_bits){at, bits};
}

/* Those of m elements, a vector at most, that are not zero, as NaN is not and -0.0 is: the first
   meets what begins at `at`, the next what begins `step` further. Returns how many. AVX-512 moves
   all at once; elsewhere a processor guesses wrong once for each vector. */
INLINE ireal put_nonzeros(md_entry *to, const real *from, ptrdiff_t m, ireal at, ireal step)
{
    const vf v = load_some(from, m);
    const vm on = not_(eq(zero(), v));
    uint32_t left = bits_from_mask(on);
    const ireal n = (ireal)__builtin_popcount(left);
#if defined(MD_AVX512)
    const vf places = compress(on, as_real(set1_int(at) + set1_int(step) * lane_numbers()));
    const vf values = compress(on, v);
    store_part((real *)to, interleave_low(places, values), 2 * n);
    if (2 * n > W) store_part((real *)(to + W / 2), interleave_high(places, values), 2 * n - W);
#else
    for (; left; left &= left - 1) {
        const int i = __builtin_ctz(left);
        put_entry(to++, at + i * step, from[i]);
    }
#endif
    return n;
}

typedef struct {
    real *c;
    ptrdiff_t c_row, c_next;          /* between rows of a tile; between tiles */
    const real *source;
    ptrdiff_t source_row;
    const md_entry *list;
    const ireal *first, *last;        /* of each tile's entries in the list; one behind the last */
    ptrdiff_t tiles;                  /* how many */
} md_gather;

/* rows, taps and turn are constants where these are inlined, so that acc lives in registers. Tap t
   stands in column (t + turn) % taps of acc. */
typedef vf gather_acc[GATHER_ROWS][GATHER_TAPS];

INLINE void load_tap(gather_acc acc, const real *from, ptrdiff_t c_row, const int rows,
                     const int column)
{
    for (int r = 0; r < rows; r++) acc[r][column] = load(from + r * c_row);
}
INLINE void store_tap(gather_acc acc, real *to, ptrdiff_t c_row, const int rows, const int column)
{
    for (int r = 0; r < rows; r++) store(to + r * c_row, acc[r][column]);
}

INLINE void take_in(gather_acc acc, const md_gather *g, const md_entry *entry, ptrdiff_t source_row,
                    const int rows, const int taps, const int turn)
{
    const vf v = set1(entry->value);
    const real *source = g->source + entry->at;
    for (int r = 0; r < rows; r++)
        for (int t = 0; t < taps; t++) {
            vf *sum = &acc[r][(t + turn) % taps];
            *sum = fma_(v, load(source + r * source_row + t * W), *sum);
        }
}

/* Tiles that have nothing in common. */
INLINE void gather_body(const md_gather *g, const int rows, const int taps)
{
    const ptrdiff_t c_row = g->c_row, source_row = g->source_row;
    real *to = g->c;
    for (ptrdiff_t tile = 0; tile < g->tiles; tile++, to += g->c_next) {
        const md_entry *entry = g->list + g->first[tile], *const end = g->list + g->last[tile];
        gather_acc acc;
        if (entry == end) continue;
        for (int t = 0; t < taps; t++) load_tap(acc, to + t * W, c_row, rows, t);
        do take_in(acc, g, entry, source_row, rows, taps, 0);
        while (++entry < end);
        for (int t = 0; t < taps; t++) store_tap(acc, to + t * W, c_row, rows, t);
    }
}

/* Tiles of which each begins a tap to the right of the one before: all but a column of it are in
   registers already, one place further round. Loading what has only just been stored would make
   each tile wait for the last. The source's rows follow each other. */
INLINE void sliding_tile(gather_acc acc, real *to, const md_gather *g, ptrdiff_t tile,
                         const int rows, const int taps, const int turn)
{
    const md_entry *entry = g->list + g->first[tile], *const end = g->list + g->last[tile];
    load_tap(acc, to + (taps - 1) * W, g->c_row, rows, (taps - 1 + turn) % taps);
    for (; entry < end; entry++) take_in(acc, g, entry, taps * W, rows, taps, turn);
    store_tap(acc, to, g->c_row, rows, turn);
}

INLINE void sliding_body(const md_gather *g, const int rows, const int taps)
{
    real *to = g->c;
    ptrdiff_t tile = 0;
    gather_acc acc;
    for (int t = 0; t < taps - 1; t++) load_tap(acc, to + t * W, g->c_row, rows, t);

#define MD_TURN(turn) \
    if ((turn) < taps) { \
        if (tile == g->tiles) { \
            for (int t = 0; t < taps - 1; t++) \
                store_tap(acc, to + t * W, g->c_row, rows, (t + (turn)) % taps); \
            return; \
        } \
        sliding_tile(acc, to, g, tile++, rows, taps, turn); \
        to += W; \
    }
    _Static_assert(GATHER_TAPS == 8, "a turn for each tap");
    for (;;) {
        MD_TURN(0) MD_TURN(1) MD_TURN(2) MD_TURN(3) MD_TURN(4) MD_TURN(5) MD_TURN(6) MD_TURN(7)
    }
#undef MD_TURN
}

#define MD_GATHER_TILES(X) \
    X(1, 1) X(1, 2) X(1, 3) X(1, 4) X(1, 5) X(1, 6) X(1, 7) X(1, 8) \
    X(2, 1) X(2, 2) X(2, 3) X(2, 4) X(2, 5) X(2, 6) X(3, 1) X(3, 2) X(3, 3) X(3, 4)
#define MD_MORE_GATHER_TILES(X) \
    X(2, 7) X(2, 8) X(3, 5) X(3, 6) X(3, 7) X(3, 8) X(4, 4) X(4, 5) X(4, 6) X(5, 4) X(5, 5)

#define MD_GATHER(rows, taps) \
    static void gather_##rows##x##taps(const md_gather *g) { gather_body(g, rows, taps); } \
    static void sliding_##rows##x##taps(const md_gather *g) { sliding_body(g, rows, taps); }
#define MD_GATHER_ENTRY(rows, taps) \
    [rows][taps] = {gather_##rows##x##taps, sliding_##rows##x##taps},

MD_GATHER_TILES(MD_GATHER)
#if MD_TILE_ROWS > 6
MD_MORE_GATHER_TILES(MD_GATHER)
#endif

typedef void gather_tile(const md_gather *g);

static gather_tile *const gathers[GATHER_ROWS + 1][GATHER_TAPS + 1][2] = {
    MD_GATHER_TILES(MD_GATHER_ENTRY)
#if MD_TILE_ROWS > 6
    MD_MORE_GATHER_TILES(MD_GATHER_ENTRY)
#endif
};

/* The most rows of a tile with so many taps. */
static ptrdiff_t gather_rows(ptrdiff_t taps)
{
    ptrdiff_t rows = GATHER_ROWS;
    while (!gathers[rows][taps][0]) rows--;
    return rows;
}

#endif
