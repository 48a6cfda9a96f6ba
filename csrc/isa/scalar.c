/* The baseline that every machine has: x86-64's SSE2, or four plain lanes elsewhere. There is no
   fused multiply-add here, so its bits differ from the other units' within stated bounds. */
#if !defined(__aarch64__)
#define MD_ISA scalar
#define MD_REAL float
#define MD_W 4
#define MD_TILE_ROWS 6
#define MD_TILE_VECTORS 2

#include "../kernels/table.h"
#endif
