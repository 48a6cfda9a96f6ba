/* x86-64 with AVX-512 (F, BW, DQ, VL): 32 registers of 16 floats, so a tile of 14 x 32. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "target.h"

#define MD_ISA avx512
#define MD_AVX512
#define MD_REAL float
#define MD_W 16
#define MD_TILE_ROWS 14
#define MD_TILE_VECTORS 2

MD_TARGET("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#include "../kernels/table.h"
MD_TARGET_END
#endif
