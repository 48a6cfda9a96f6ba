/* What kernels are told beside arrays and sizes: a convolution, a stream of random bits, an
   optimizer's rule. minidrop.h says which kernel takes what. */
#ifndef MD_ARGUMENTS_H
#define MD_ARGUMENTS_H

#include <stddef.h>
#include <stdint.h>

/* The element type. A unit that defines kernels says float or double before it includes this
   header; for callers, who hold arrays of either, it is void. */
#ifndef MD_REAL
#define MD_REAL void
#endif

/* Which operand of a matrix product is stored transposed: of two bits, one or none. */
enum { MD_NN = 0, MD_NT = 1, MD_TN = 2 };

/* A 2-d convolution, channels last, and what follows it in the same pass: relu if asked, then
   max-pooling of pool x pool windows (1: none; at most 16), then dropout behind a relu, or NULL.
   x (n, h, w, cin), w (kh, kw, cin/groups, cout), bias (cout), y (n, oh/pool, ow/pool, cout) with
   oh = (h + 2 pad_h - dil_h (kh - 1) - 1) / stride_h + 1, ow alike. w_bits: NULL, or DropConnect's
   mask of w, which then counts as w w_scale where a bit is 1 and as 0 elsewhere; without pooling.
   dw is the gradient of what counts. masks_dx: x is the value of a relu, and backward takes dx
   through it too: it is 0 where x is not above 0. */
typedef struct md_conv {
    ptrdiff_t n, h, w, cin, kh, kw, cout, oh, ow;
    ptrdiff_t stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups;
    ptrdiff_t relu, pool, masks_dx;
    const struct md_drop *drop;
    const uint32_t *w_bits;
    double w_scale;
} md_conv;

/* Contiguous arrays that broadcast to one contiguous result. Axes go from the fastest to the
   slowest; neighbours along which the same operands advance are one axis, and ndim, at least 1,
   counts what is left. step[i][d]: elements that operand i moves along axis d, 0 where it is
   repeated; step[i][0] is 0 or 1. */
enum { MD_DIMS = 64 };
typedef struct md_broadcast {
    int ndim;
    ptrdiff_t size[MD_DIMS], step[3][MD_DIMS];
} md_broadcast;

enum { MD_ADD, MD_SUB, MD_MUL, MD_DIV, MD_MAXIMUM, MD_MINIMUM, MD_POW }; /* binary */
enum { MD_COPY, MD_NEG, MD_ABS, MD_SQRT, MD_EXP, MD_LOG };               /* unary */

/* Pooling, channels last: x (n, h, w, c), y (n, oh, ow, c). Window (i, j) has kh x kw pixels from
   (i stride_h - pad_h, j stride_w - pad_w) on; oh = (h + 2 pad_h - kh) / stride_h + 1, ow alike,
   and pad <= k / 2, so that every window has a pixel of x. kh = kw = 0: oh x ow windows that divide
   x nearly evenly, rows i h / oh to ceil((i + 1) h / oh). wide: places of maxima are uint32. */
typedef struct md_pool {
    ptrdiff_t n, h, w, c, oh, ow;
    ptrdiff_t kh, kw, stride_h, stride_w, pad_h, pad_w;
    int wide;
} md_pool;

/* Where random bits come from: see rng.h. domain 0 is for masks. */
typedef struct md_stream {
    uint64_t seed, stream, call;
    uint32_t domain;
} md_stream;

/* What dropout makes of an element: x scale + shift where the mask keeps, `dropped` elsewhere. */
typedef struct md_drop_law {
    double scale, shift, dropped;
} md_drop_law;

/* Dropout as the tail of another kernel: where its mask is, and what it does. Backward asks for
   law.scale alone: behind a relu, what is above 0 was kept. */
typedef struct md_drop {
    md_stream stream;
    uint64_t first, threshold;
    md_drop_law law;
} md_drop;

/* activations; a and b, where they mean something: the slope above 0 in backward (relu: b, 1 unless
   dropout follows), below 0 (leaky relu), below and above it (elu, and with both selu), the
   sharpness of softplus and its inverse: b log(1 + e^(a x)) */
enum {
    MD_RELU, MD_LEAKY_RELU, MD_ELU, MD_GELU, MD_GELU_TANH, MD_SILU, MD_SIGMOID, MD_TANH, MD_SOFTPLUS
};
/* An optimizer's rule: its law, and the numbers of it; a law reads only those that it names. */
enum { MD_SGD, MD_ADAM, MD_RMSPROP, MD_ADAGRAD, MD_ADADELTA };
typedef struct md_rule {
    int law, nesterov;
    double lr, momentum, beta1, beta2, eps, lr_decay;
    double decay, l1, decoupled_decay;
} md_rule;

/* One parameter in a list of them that is worked on at once. value, grad and each state have
   `size` elements and do not overlap; a state that the rule does without is NULL. */
enum { MD_UPDATE_CHUNK = 16384 };
typedef struct md_param {
    MD_REAL *value;           /* read and overwritten, as the states are */
    const MD_REAL *grad;
    MD_REAL *state[3];
    ptrdiff_t size;
    ptrdiff_t chunks_before;  /* of MD_UPDATE_CHUNK elements, the last of each parameter partial */
    ptrdiff_t step;           /* this one's number, from 1 */
    const md_rule *rule;
} md_param;

/* DropBlock on images x (n, h, w, c): 1 <= block <= h, w, unless x is empty. shared: all channels
   of a pixel have one mask. A sample has (h - block + 1) (w - block + 1) [c] places for seeds, in
   memory order. */
typedef struct md_blocks {
    ptrdiff_t n, h, w, c, block;
    int shared;
} md_blocks;

#endif
