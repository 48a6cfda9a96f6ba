/* The kernels in reading order, and the table that one instruction set fills from them.
   A unit in isa/ includes this file once, after its numbers. */
#include "../minidrop.h"
#include "../vec.h"

#include "micro.h"
#include "tiling.h"
#include "matmul.h"
#include "matmul_stack.h"
#include "conv2d.h"
#include "conv2d_backward.h"
#include "winograd.h"
#include "winograd_backward.h"
#include "broadcast.h"
#include "arithmetic.h"
#include "reduce.h"
#include "extreme.h"
#include "activation.h"
#include "softmax.h"
#include "loss.h"
#include "batch_norm.h"
#include "layer_norm.h"
#include "pool.h"
#include "mask.h"
#include "dropout.h"
#include "shared_mask.h"
#include "gaussian.h"
#include "drop_connect.h"
#include "zoneout.h"
#include "drop_block.h"
#include "concrete.h"
#include "update.h"
#include "peak.h"

#define MD_PASTE(a, b) a##b
#define MD_NAME(isa) MD_PASTE(md_, isa)
#define MD_STRING_(x) #x
#define MD_STRING(x) MD_STRING_(x)

const md_kernels MD_NAME(MD_ISA) = {
    .name = MD_STRING(MD_ISA),
#include "../entries.h"
};
