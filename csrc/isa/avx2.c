/* x86-64 with AVX2 and FMA: 16 registers of 8 floats, so a tile of 6 x 16. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "target.h"

#define MD_ISA avx2
#define MD_AVX2
#define MD_REAL float
#define MD_W 8
#define MD_TILE_ROWS 6
#define MD_TILE_VECTORS 2

MD_TARGET("avx2,fma")
#include "../kernels/table.h"
MD_TARGET_END
#endif
