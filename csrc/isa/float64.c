/* Every kernel for double: portable, not tuned, what gradient checks run on. */
#define MD_ISA float64
#define MD_REAL double
#define MD_W 2
#define MD_TILE_ROWS 6
#define MD_TILE_VECTORS 2

#include "../kernels/table.h"
