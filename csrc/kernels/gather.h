/* The micro-kernel of sparse gradients: a tile of C in registers takes in a list of non-zeros.

                      taps, a vector each
                   +------------+
     C (rows, taps)|    acc     |  +=  value[i] * source[index[i]]   for each i of the list
                   +------------+
                                       source[k], at k * step, is a tile like C; each
                                       has strides of its own between rows and taps

   A value is broadcast and meets a whole tile of the source, wherever its index says. The gradient
   of w takes in tiles of x at the pixels where a channel of dz is not zero; the gradient of x takes
   in tiles of w for the channels that are not zero in a pixel of dz. Each element of C stays one
   sequential chain of multiply-adds in the order of the list. */
#ifndef MD_GATHER_H
#define MD_GATHER_H

#include "micro.h"

enum { GATHER_ROWS = 5, GATHER_TAPS = 8 };  /* at most */

typedef struct {
    real *c;
    ptrdiff_t c_row, c_tap, c_next;   /* between rows and taps of a tile; between tiles */
    const real *source;
    ptrdiff_t source_row, source_tap, step;
    const ireal *index;
    const real *value;
    const ireal *first, *last;        /* of each tile's entries in the list; one behind the last */
    ptrdiff_t tiles, lanes;           /* how many tiles; lanes of a vector that exist */
} md_gather;

/* rows, taps, packed and whole are constants where this is inlined, so that acc lives in registers.
   packed: the tiles of the source are contiguous, at constant offsets from one pointer; otherwise
   each of their rows has a pointer, which the compiler must not see through (micro.h tells why). */
INLINE void gather_body(const md_gather *g, const int rows, const int taps, const int packed,
                        const int whole)
{
    const ptrdiff_t c_row = g->c_row, c_tap = g->c_tap, lanes = g->lanes, step = g->step;
    const ptrdiff_t source_row = packed ? taps * W : g->source_row;
    const ptrdiff_t source_tap = packed ? W : g->source_tap;
    real *to = g->c;
    for (ptrdiff_t tile = 0; tile < g->tiles; tile++, to += g->c_next) {
        const ireal *index = g->index + g->first[tile];
        const real *value = g->value + g->first[tile], *const end = g->value + g->last[tile];
        vf acc[GATHER_ROWS][GATHER_TAPS];
        if (value == end) continue;
        for (int r = 0; r < rows; r++)
            for (int t = 0; t < taps; t++) {
                const real *c = to + r * c_row + t * c_tap;
                acc[r][t] = whole ? load(c) : load_part(c, lanes);
            }
        do {
            const vf v = set1(*value++);
            const real *source = g->source + *index++ * step;
            for (int r = 0; r < rows; r++) {
                for (int t = 0; t < taps; t++) {
                    const real *s = source + t * source_tap;
                    acc[r][t] = fma_(v, whole || packed ? load(s) : load_part(s, lanes), acc[r][t]);
                }
                source += source_row;
                if (!packed) HIDE(source);
            }
        } while (value < end);
        for (int r = 0; r < rows; r++)
            for (int t = 0; t < taps; t++) {
                real *c = to + r * c_row + t * c_tap;
                if (whole) store(c, acc[r][t]);
                else store_part(c, acc[r][t], lanes);
            }
    }
}

#define MD_GATHER_TILES(X) \
    X(1, 1) X(1, 2) X(1, 3) X(1, 4) X(1, 5) X(1, 6) X(1, 7) X(1, 8) \
    X(2, 1) X(2, 2) X(2, 3) X(2, 4) X(2, 5) X(2, 6) X(3, 1) X(3, 2) X(3, 3) X(3, 4)
#define MD_MORE_GATHER_TILES(X) \
    X(2, 7) X(2, 8) X(3, 5) X(3, 6) X(3, 7) X(3, 8) X(4, 4) X(4, 5) X(4, 6) X(5, 4) X(5, 5)

#define MD_GATHER_ONE(name, rows, taps, packed, whole) \
    static void name##rows##x##taps(const md_gather *g) \
    { \
        gather_body(g, rows, taps, packed, whole); \
    }
#define MD_GATHER(rows, taps) \
    MD_GATHER_ONE(gather_, rows, taps, 0, 1) MD_GATHER_ONE(gather_edge_, rows, taps, 0, 0) \
    MD_GATHER_ONE(gather_packed_, rows, taps, 1, 1) \
    MD_GATHER_ONE(gather_packed_edge_, rows, taps, 1, 0)
#define MD_GATHER_ENTRY(rows, taps) \
    [rows][taps] = {{gather_##rows##x##taps, gather_edge_##rows##x##taps}, \
                    {gather_packed_##rows##x##taps, gather_packed_edge_##rows##x##taps}},

MD_GATHER_TILES(MD_GATHER)
#if MD_TILE_ROWS > 6
MD_MORE_GATHER_TILES(MD_GATHER)
#endif

typedef void gather_tile(const md_gather *g);

static gather_tile *const gathers[GATHER_ROWS + 1][GATHER_TAPS + 1][2][2] = {
    MD_GATHER_TILES(MD_GATHER_ENTRY)
#if MD_TILE_ROWS > 6
    MD_MORE_GATHER_TILES(MD_GATHER_ENTRY)
#endif
};

/* The most rows of a tile with so many taps. */
static ptrdiff_t gather_rows(ptrdiff_t taps)
{
    ptrdiff_t rows = GATHER_ROWS;
    while (!gathers[rows][taps][0][0]) rows--;
    return rows;
}

#endif
