/* Asking for what will be wanted, a few lines of the cache at a time, between pieces of work. What
   a kernel reads image by image, or panel by panel, comes at the pace of memory's latency, since
   each is a start anew; asked for while there is something to compute, it is there. All asked for
   at once, the lines would wait for each other as loads do. */
#ifndef MD_AHEAD_H
#define MD_AHEAD_H

#include "nontemporal.h"

enum { AHEAD_BLOCKS = 5, LINE = 64 };           /* bytes of a line */

/* Rows of bytes, the next one first, of which `at` have been asked for. */
typedef struct { const char *row; ptrdiff_t rows, pitch, width, at; } ahead_block;

typedef struct {
    ahead_block blocks[AHEAD_BLOCKS];
    int first, last;                            /* those that are not asked for yet */
    ptrdiff_t lines;                            /* in all of them */
} ahead;

INLINE void want_rows(ahead *a, const real *from, ptrdiff_t rows, ptrdiff_t pitch, ptrdiff_t reals)
{
    const ptrdiff_t size = sizeof(real);
    if (rows <= 0 || reals <= 0) return;
    a->blocks[a->last++] = (ahead_block){(const char *)from, rows, pitch * size, reals * size, 0};
    a->lines += rows * ceil_div(reals * size, LINE);
}

/* The next so many lines, to L2. Beyond the end of an array it does no harm. */
INLINE void ask(ahead *a, ptrdiff_t lines)
{
    while (lines > 0 && a->first < a->last) {
        ahead_block *b = a->blocks + a->first;
        for (; lines > 0 && b->at < b->width; lines--, b->at += LINE)
            __builtin_prefetch(b->row + b->at, 0, 2);
        if (b->at < b->width) return;
        b->at = 0;
        b->row += b->pitch;
        a->first += --b->rows == 0;
    }
}

#endif
