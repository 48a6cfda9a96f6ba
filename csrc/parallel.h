/* The one parallel loop. Kernels hand it items of work split by shape, never by thread count, so a
   result does not depend on how many threads there are or which of them took an item. */
#ifndef MD_PARALLEL_H
#define MD_PARALLEL_H

#include <stddef.h>

/* Do one item. `worker` is smaller than md_workers(): an index into per-worker scratch. */
typedef void md_item(void *context, ptrdiff_t item, int worker);

/* Elements of an item of a loop over single elements: enough to repay a thread. */
enum { ELEMENTS_PER_ITEM = 16384 };

enum { WORTH_WAKING_NS = 5000 }; /* cores take up to 2 us to come together, and again to part */

/* Call `item` for 0 <= i < items, on several threads when `cost` (nanoseconds, roughly, of all of
   it on one core) is worth waking them. */
void md_parallel_for(ptrdiff_t items, double cost, md_item *item, void *context);

int md_workers(void);             /* the most workers that a loop started now would have */
void md_set_threads(int threads); /* 0: follow omp_get_max_threads() */

/* From here on the loops of this thread have so many workers, those that its scratch has room for,
   whatever another thread chooses meanwhile; 0: as many as are chosen. Returns what held before. */
int md_hold_workers(int workers);
int md_has_openmp(void);

#endif
