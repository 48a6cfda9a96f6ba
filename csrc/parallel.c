/* parallel_for over OpenMP, or serial where the build has none. Only this unit knows threads. */
#include "parallel.h"

#ifdef _OPENMP
#include <omp.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#define MD_FORK 1
#endif

enum { WORTH_WAKING_NS = 20000 };

static int chosen_threads; /* 0: none chosen */
static int in_forked_child;

#if defined(_OPENMP) && defined(MD_FORK)
/* After fork the child has none of its parent's threads, and libgomp would wait for them. */
static void child_after_fork(void) { in_forked_child = 1; }

__attribute__((constructor)) static void watch_fork(void)
{
    pthread_atfork(NULL, NULL, child_after_fork);
}
#endif

void md_set_threads(int threads) { chosen_threads = threads; }

int md_has_openmp(void)
{
#ifdef _OPENMP
    return 1;
#else
    return 0;
#endif
}

int md_workers(void)
{
#ifdef _OPENMP
    if (in_forked_child || omp_in_parallel()) return 1;
    return chosen_threads ? chosen_threads : omp_get_max_threads();
#else
    return 1;
#endif
}

void md_parallel_for(ptrdiff_t items, double cost, md_item *item, void *context)
{
#ifdef _OPENMP
    const int workers = md_workers();
    if (workers > 1 && items > 1 && cost > WORTH_WAKING_NS) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(workers)
        for (ptrdiff_t i = 0; i < items; i++) item(context, i, omp_get_thread_num());
        return;
    }
#else
    (void)cost;
#endif
    for (ptrdiff_t i = 0; i < items; i++) item(context, i, 0);
}
