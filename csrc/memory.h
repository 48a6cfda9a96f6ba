/* Reused, aligned, size-checked buffers. A fresh mapping of 9 MB costs milliseconds in page faults,
   so a block that is given back waits in a list of its size for the next call that wants one. */
#ifndef MD_MEMORY_H
#define MD_MEMORY_H

#include <stddef.h>

enum { MD_ALIGN = 64 };

typedef struct md_pool_counts {
    size_t mapped_bytes;   /* taken from the system and not given back */
    size_t used_bytes;     /* in blocks that somebody holds */
    size_t mappings;       /* how often the system was asked, ever */
    size_t requests;       /* how often a block was asked for, ever */
} md_pool_counts;

void *md_alloc(size_t bytes);   /* at least `bytes`, aligned to MD_ALIGN; NULL when there is none */
void md_free(void *block);      /* NULL is allowed */
void md_pool_trim(void);        /* give every waiting block back to the system */
md_pool_counts md_pool_stats(void);

/* The bytes of L1, of data, and of the last cache: what is read again and again is cut to stay in
   the one, and an output of half of the other and more goes past the caches. */
enum { MD_L1, MD_L3, MD_CACHES };
size_t md_cache_bytes(int cache);
void md_set_cache_bytes(int cache, size_t bytes);   /* 0: ask the machine, as at the start */

#endif
