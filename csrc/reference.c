/* The plainest loops for every kernel: what it means, the oracle of the tests, and an instruction
   set of its own, `reference`. One file in reference/ for each in kernels/, in the same order. */
#define MD_REAL float
typedef float real;

#include <float.h>
#include <math.h>
#include <string.h>

#include "minidrop.h"

#include "reference/matmul.h"
#include "reference/matmul_stack.h"
#include "reference/conv2d.h"
#include "reference/winograd.h"
#include "reference/arithmetic.h"
#include "reference/reduce.h"
#include "reference/extreme.h"
#include "reference/activation.h"
#include "reference/softmax.h"
#include "reference/loss.h"
#include "reference/batch_norm.h"
#include "reference/layer_norm.h"
#include "reference/pool.h"
#include "reference/mask.h"
#include "reference/dropout.h"
#include "reference/shared_mask.h"
#include "reference/gaussian.h"
#include "reference/drop_connect.h"
#include "reference/zoneout.h"
#include "reference/drop_block.h"
#include "reference/concrete.h"
#include "reference/update.h"
#include "reference/peak.h"

const md_kernels md_reference = {
    .name = "reference",
#include "entries.h"
};
