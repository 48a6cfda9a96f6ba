/* 64-bit ARM: 32 registers of 4 floats, so a tile of 12 x 8. Every such machine has it. */
#if defined(__aarch64__)
#include <arm_neon.h>

#define MD_ISA neon
#define MD_NEON
#define MD_REAL float
#define MD_W 4
#define MD_TILE_ROWS 12
#define MD_TILE_VECTORS 2

#include "../kernels/table.h"
#endif
