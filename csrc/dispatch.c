/* Which table of kernels is active: chosen once from the CPU, forced by MINIDROP_ISA or by name. */
#include <stdlib.h>
#include <string.h>

#include "minidrop.h"

#if defined(__x86_64__)
extern const md_kernels md_avx512, md_avx2, md_scalar;

static int has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("fma");
}
static int has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#elif defined(__aarch64__)
extern const md_kernels md_neon;
#else
extern const md_kernels md_scalar;
#endif
extern const md_kernels md_reference, md_float64;

static int always(void) { return 1; }
static int never(void) { return 0; }

/* Known names, best first. A name that this build cannot have stays known, and unavailable. */
static const struct {
    const char *name;
    const md_kernels *table;
    int (*available)(void);
} isas[] = {
#if defined(__x86_64__)
    {"avx512", &md_avx512, has_avx512},
    {"avx2", &md_avx2, has_avx2},
    {"neon", NULL, never},
    {"scalar", &md_scalar, always},
#elif defined(__aarch64__)
    {"avx512", NULL, never},
    {"avx2", NULL, never},
    {"neon", &md_neon, always},
    {"scalar", NULL, never},
#else
    {"avx512", NULL, never},
    {"avx2", NULL, never},
    {"neon", NULL, never},
    {"scalar", &md_scalar, always},
#endif
    {"reference", &md_reference, always},
};
enum { ISAS = sizeof isas / sizeof isas[0] };

static const md_kernels *active;

const char *md_isa_name(int i) { return i < ISAS ? isas[i].name : NULL; }
int md_isa_available(int i) { return i < ISAS && isas[i].available(); }

int md_use_isa(const char *name)
{
    for (int i = 0; i < ISAS; i++) {
        if (strcmp(isas[i].name, name)) continue;
        if (!isas[i].available()) return -2;
        active = isas[i].table;
        return 0;
    }
    return -1;
}

const md_kernels *md_table(int is_double) { return is_double ? &md_float64 : active; }
const char *md_isa(void) { return active->name; }
