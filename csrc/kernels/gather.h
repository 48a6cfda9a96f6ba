/* The micro-kernel of sparse gradients: a tile of C in registers takes in a list of non-zeros.

                      taps, a vector each
                   +------------+
     C (rows, taps)|    acc     |  +=  value * the tile at source + at
                   +------------+
                                       for each entry of the list; C and the source have strides
                                       of their own between rows, their taps follow each other

   A value is broadcast and meets a whole tile of the source, wherever its index says. The gradient
   of w takes in tiles of x at the pixels where a channel of dz is not zero; the gradient of x takes
   in tiles of w for the channels that are not zero in a pixel of dz. Each element of C stays one
   sequential chain of multiply-adds in the order of the list. */
#ifndef MD_GATHER_H
#define MD_GATHER_H

#include "micro.h"

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

typedef struct {
    real *c;
    ptrdiff_t c_row, c_next;          /* between rows of a tile; between tiles */
    const real *source;
    ptrdiff_t source_row;
    const md_entry *list;
    const ireal *first, *last;        /* of each tile's entries in the list; one behind the last */
    ptrdiff_t tiles;                  /* how many */
} md_gather;

/* rows, taps and packed are constants where this is inlined, so that acc lives in registers.
   packed: the rows of the source follow each other too. */
INLINE void gather_body(const md_gather *g, const int rows, const int taps, const int packed)
{
    const ptrdiff_t c_row = g->c_row;
    const ptrdiff_t source_row = packed ? taps * W : g->source_row;
    real *to = g->c;
    for (ptrdiff_t tile = 0; tile < g->tiles; tile++, to += g->c_next) {
        const md_entry *entry = g->list + g->first[tile], *const end = g->list + g->last[tile];
        vf acc[GATHER_ROWS][GATHER_TAPS];
        if (entry == end) continue;
        for (int r = 0; r < rows; r++)
            for (int t = 0; t < taps; t++) acc[r][t] = load(to + r * c_row + t * W);
        do {
            const vf v = set1(entry->value);
            const real *source = g->source + entry->at;
            for (int r = 0; r < rows; r++)
                for (int t = 0; t < taps; t++)
                    acc[r][t] = fma_(v, load(source + r * source_row + t * W), acc[r][t]);
        } while (++entry < end);
        for (int r = 0; r < rows; r++)
            for (int t = 0; t < taps; t++) store(to + r * c_row + t * W, acc[r][t]);
    }
}

#define MD_GATHER_TILES(X) \
    X(1, 1) X(1, 2) X(1, 3) X(1, 4) X(1, 5) X(1, 6) X(1, 7) X(1, 8) \
    X(2, 1) X(2, 2) X(2, 3) X(2, 4) X(2, 5) X(2, 6) X(3, 1) X(3, 2) X(3, 3) X(3, 4)
#define MD_MORE_GATHER_TILES(X) \
    X(2, 7) X(2, 8) X(3, 5) X(3, 6) X(3, 7) X(3, 8) X(4, 4) X(4, 5) X(4, 6) X(5, 4) X(5, 5)

#define MD_GATHER(rows, taps) \
    static void gather_##rows##x##taps(const md_gather *g) { gather_body(g, rows, taps, 0); } \
    static void gather_packed_##rows##x##taps(const md_gather *g) { gather_body(g, rows, taps, 1); }
#define MD_GATHER_ENTRY(rows, taps) \
    [rows][taps] = {gather_##rows##x##taps, gather_packed_##rows##x##taps},

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
