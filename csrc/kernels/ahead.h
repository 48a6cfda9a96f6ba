/* Asking for what will be wanted, a few lines of the cache at a time, between pieces of work. What
   a kernel reads image by image, or panel by panel, comes at the pace of memory's latency, since
   each is a start anew; asked for while there is something to compute, it is there. All asked for
   at once, the lines would wait for each other as loads do. The micro-kernel asks by itself. */
#ifndef MD_AHEAD_H
#define MD_AHEAD_H

#include "nontemporal.h"

enum { AHEAD_BLOCKS = 5 };

/* Rows of so many lines; which line of a row is next; lines that are left, and that are asked for
   in a part. */
typedef struct { const char *row; ptrdiff_t pitch, lines, next, left, each; } ahead_block;

/* Asked for in so many parts, one after the other. */
typedef struct { ptrdiff_t parts; int count; ahead_block blocks[AHEAD_BLOCKS]; } ahead;

INLINE void want_rows(ahead *a, const real *from, ptrdiff_t rows, ptrdiff_t pitch, ptrdiff_t reals)
{
    const ptrdiff_t lines = ceil_div(larger(reals, 0), LINE_REALS), all = larger(rows, 0) * lines;
    a->blocks[a->count++] = (ahead_block){(const char *)from, pitch * (ptrdiff_t)sizeof(real),
                                          lines, 0, all, ceil_div(all, a->parts)};
}
INLINE void want(ahead *a, const void *from, size_t bytes)
{
    want_rows(a, from, 1, 0, ceil_div((ptrdiff_t)bytes, (ptrdiff_t)sizeof(real)));
}

/* How many reals ahead of what is read a kernel asks, if it does so line by line: far enough for
   memory to answer in time, near enough to be in L2 still. */
enum { ASK_AHEAD = 4096 };

/* The line at p, to L2. Outside of an array it does no harm. */
INLINE void ask_line(const void *p) { __builtin_prefetch(p, 0, 2); }

/* The next part of everything. */
static void ask(ahead *a)
{
    for (ahead_block *b = a->blocks; b < a->blocks + a->count; b++) {
        const ptrdiff_t count = smaller(b->each, b->left);
        b->left -= count;
        for (ptrdiff_t l = 0; l < count; l++) {
            ask_line(b->row + b->next * LINE_BYTES);
            if (++b->next == b->lines) b->next = 0, b->row += b->pitch;
        }
    }
}

#endif
