/* Every public kernel: its prototype, the shape of each argument, its contract.

   A table `md_kernels` holds one function a kernel; each instruction set fills one, from the same
   text in kernels/. Rules for all of them:
   - arguments are outputs, inputs, sizes; a gradient is `d` + name; arrays are contiguous, in the
     shape that the comment gives, last axis fastest;
   - outputs are overwritten and never read, and do not overlap inputs unless the comment says so;
   - a kernel does not allocate, print or fail: its caller checked the arguments and brings scratch;
   - sizes may be 0. */
#ifndef MINIDROP_H
#define MINIDROP_H

#include "arguments.h"
#include "memory.h"
#include "parallel.h"

typedef struct md_kernels {
    const char *name;

    /* ---- matmul.h ---- */

    /* c (m, n) = op(a) op(b) [+ bias (n)] [then max(., 0)]; bias may be NULL.
       MD_NN: a (m, k), b (k, n); MD_NT: b is stored (n, k); MD_TN: a is stored (k, m).
       Each element of c is one chain of fused multiply-adds over k, then the bias, then relu.
       Terms that are zero times something finite may be left out: they change no bit, but for the
       sign of a sum that is zero because its terms are too small for the type. */
    void (*matmul)(MD_REAL *c, const MD_REAL *a, const MD_REAL *b, const MD_REAL *bias,
                   ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int form, int relu, MD_REAL *scratch);
    /* reals; b_masked: for matmul_masked */
    ptrdiff_t (*matmul_scratch)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, int form, int b_masked);
    /* c = op(a) op(b') [+ bias], b' = b scale where bits are 1, +0 elsewhere; bits: a mask of b as
       it is stored. The same chains as matmul of a b' in memory, where it never is. */
    void (*matmul_masked)(MD_REAL *c, const MD_REAL *a, const MD_REAL *b, const uint32_t *bits,
                          double scale, const MD_REAL *bias, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
                          int form, MD_REAL *scratch);

    /* ---- matmul_stack.h ---- */

    /* So many products, which lie behind each other in c: of what begins at a + a_at[i] and at
       b + b_at[i]. The same chains as matmul's. */
    void (*matmul_stack)(MD_REAL *c, const MD_REAL *a, const MD_REAL *b, const ptrdiff_t *a_at,
                         const ptrdiff_t *b_at, ptrdiff_t count, ptrdiff_t m, ptrdiff_t n,
                         ptrdiff_t k, int form, MD_REAL *scratch);
    ptrdiff_t (*matmul_stack_scratch)(ptrdiff_t count, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
                                      int form);   /* reals */

    /* ---- conv2d.h: sizes and shapes in md_conv ---- */

    /* y = drop(pool(relu(x * w + bias))); bias may be NULL. where (as y): the place of each
       window's winner, in reading order, or NULL. */
    void (*conv2d_forward)(MD_REAL *y, uint8_t *where, const MD_REAL *x, const MD_REAL *w,
                           const MD_REAL *bias, const md_conv *g, MD_REAL *scratch);
    /* The gradients dx (as x), dw (as w) and db (cout) from dy (as y); any of them may be NULL.
       y is read where there is a relu, where where there is pooling. */
    void (*conv2d_backward)(MD_REAL *dx, MD_REAL *dw, MD_REAL *db, const MD_REAL *x,
                            const MD_REAL *w, const MD_REAL *dy, const MD_REAL *y,
                            const uint8_t *where, const md_conv *g, MD_REAL *scratch);
    ptrdiff_t (*conv2d_scratch)(const md_conv *g); /* reals, enough for both */

    /* ---- winograd.h: as conv2d.h, for groups, strides and dilations of 1 and kernels of 3 x 3 or
       5 x 5; same results but for rounding ---- */

    void (*winograd_forward)(MD_REAL *y, uint8_t *where, const MD_REAL *x, const MD_REAL *w,
                             const MD_REAL *bias, const md_conv *g, MD_REAL *scratch);
    /* The gradients of what winograd_forward computes: each of its steps transposed. */
    void (*winograd_backward)(MD_REAL *dx, MD_REAL *dw, MD_REAL *db, const MD_REAL *x,
                              const MD_REAL *w, const MD_REAL *dy, const MD_REAL *y,
                              const uint8_t *where, const md_conv *g, MD_REAL *scratch);
    ptrdiff_t (*winograd_scratch)(const md_conv *g, int backward); /* reals */

    /* ---- arithmetic.h ---- */

    /* y = a op b, elementwise; s: y's shape, and the steps of a (0) and b (1). MD_MAXIMUM and
       MD_MINIMUM give NaN where either is NaN. MD_POW with one b for a row multiplies for whole
       exponents from -4 to 4, and takes the root for 0.5. */
    void (*binary)(MD_REAL *y, const MD_REAL *a, const MD_REAL *b, const md_broadcast *s, int op);
    /* y = condition ? a : b; s: the steps of a (0), b (1) and condition (2), bytes. */
    void (*where)(MD_REAL *y, const uint8_t *condition, const MD_REAL *a, const MD_REAL *b,
                  const md_broadcast *s);
    /* y = op(x), n elements. */
    void (*unary)(MD_REAL *y, const MD_REAL *x, ptrdiff_t n, int op);
    /* y = min(max(x, low), high), n elements; NaN stays NaN. */
    void (*clip)(MD_REAL *y, const MD_REAL *x, ptrdiff_t n, double low, double high);

    /* ---- reduce.h ---- */

    /* y (outer, inner) = the sum over mid of x (outer, mid, inner), or of its squares, divided by
       `divisor`. */
    void (*sum)(MD_REAL *y, const MD_REAL *x, ptrdiff_t outer, ptrdiff_t mid, ptrdiff_t inner,
                int squares, double divisor, MD_REAL *scratch);
    ptrdiff_t (*sum_scratch)(ptrdiff_t outer, ptrdiff_t mid, ptrdiff_t inner); /* reals */

    /* ---- extreme.h ---- */

    /* y (outer, inner) = the greatest, or the least, over mid of x, and place: where it is. NaN
       beats every number; of equals the first wins. mid is from 1 to 2^31 - 1. */
    void (*extreme)(MD_REAL *y, int64_t *place, const MD_REAL *x, ptrdiff_t outer, ptrdiff_t mid,
                    ptrdiff_t inner, int least);

    /* ---- activation.h ---- */

    /* y = f(x), n elements; kind: MD_RELU and so on, which says what the numbers a and b are. */
    void (*activation_forward)(MD_REAL *y, const MD_REAL *x, ptrdiff_t n, int kind, double a,
                               double b);
    /* dx = dy f'. saved: y for relu, sigmoid and tanh, x for the others. relu selects, so that
       where y is not above 0 even an infinite dy gives 0. */
    void (*activation_backward)(MD_REAL *dx, const MD_REAL *dy, const MD_REAL *saved, ptrdiff_t n,
                                int kind, double a, double b);

    /* ---- softmax.h ---- */

    /* y (rows, cols) = softmax of each row of x, or its logarithm. */
    void (*softmax_forward)(MD_REAL *y, const MD_REAL *x, ptrdiff_t rows, ptrdiff_t cols, int log);
    /* dx from dy and the output y, all (rows, cols). */
    void (*softmax_backward)(MD_REAL *dx, const MD_REAL *dy, const MD_REAL *y, ptrdiff_t rows,
                             ptrdiff_t cols, int log);

    /* ---- loss.h ---- */

    /* losses (rows) = the cross entropy of each row of logits x (rows, cols) and its label, from 0
       to cols - 1; the label's class weighs 1 - smoothing, and all classes share smoothing. dx, as
       x or NULL, = (softmax(x) - target) scale. */
    void (*cross_entropy)(MD_REAL *losses, MD_REAL *dx, const MD_REAL *x, const int64_t *labels,
                          ptrdiff_t rows, ptrdiff_t cols, double smoothing, double scale);
    /* losses = log(1 + e^x) - t x for logits x and targets t; its slope, sigmoid(x) - t. n each. */
    void (*binary_cross_entropy)(MD_REAL *losses, const MD_REAL *x, const MD_REAL *t, ptrdiff_t n);
    void (*binary_cross_entropy_slope)(MD_REAL *dx, const MD_REAL *x, const MD_REAL *t,
                                       ptrdiff_t n);

    /* ---- batch_norm.h: x, y, dx, dy (rows, c), everything else (c) ---- */

    ptrdiff_t (*norm_scratch)(ptrdiff_t rows, ptrdiff_t c); /* reals, for each of the three */
    /* The mean and the biased variance of every channel; 0 where there are no rows. */
    void (*batch_statistics)(MD_REAL *mean, MD_REAL *var, const MD_REAL *x, ptrdiff_t rows,
                             ptrdiff_t c, MD_REAL *scratch);
    /* running = (1 - momentum) running + momentum (batch times), rounded after each operation. */
    void (*move_statistics)(MD_REAL *running, const MD_REAL *batch, ptrdiff_t c, double momentum,
                            double times);
    /* y = (x - mean) / sqrt(var + eps) * weight + bias, with relu then max(., 0); weight and bias
       may be NULL. */
    void (*batch_norm_forward)(MD_REAL *y, const MD_REAL *x, const MD_REAL *mean,
                               const MD_REAL *var, const MD_REAL *weight, const MD_REAL *bias,
                               ptrdiff_t rows, ptrdiff_t c, double eps, int relu,
                               MD_REAL *scratch);
    /* training: mean and var are those of x, and the gradient goes through them. relu: that of a
       forward with relu and this bias. dx, weight and bias may be NULL. */
    void (*batch_norm_backward)(MD_REAL *dx, MD_REAL *dweight, MD_REAL *dbias, const MD_REAL *dy,
                                const MD_REAL *x, const MD_REAL *mean, const MD_REAL *var,
                                const MD_REAL *weight, const MD_REAL *bias, ptrdiff_t rows,
                                ptrdiff_t c, double eps, int training, int relu,
                                MD_REAL *scratch);

    /* ---- layer_norm.h: x, y, dx, dy (rows, cols), weight (cols), mean, inverse (rows) ---- */

    /* y = (x - mean) inverse weight + bias, inverse = 1 / sqrt(var + eps); weight and bias may be
       NULL. */
    void (*layer_norm_forward)(MD_REAL *y, MD_REAL *mean, MD_REAL *inverse, const MD_REAL *x,
                               const MD_REAL *weight, const MD_REAL *bias, ptrdiff_t rows,
                               ptrdiff_t cols, double eps);
    /* dweight and dbias may both be NULL, and weight. */
    void (*layer_norm_backward)(MD_REAL *dx, MD_REAL *dweight, MD_REAL *dbias, const MD_REAL *dy,
                                const MD_REAL *x, const MD_REAL *mean, const MD_REAL *inverse,
                                const MD_REAL *weight, ptrdiff_t rows, ptrdiff_t cols,
                                MD_REAL *scratch);
    ptrdiff_t (*layer_norm_scratch)(ptrdiff_t rows, ptrdiff_t cols); /* reals */

    /* ---- pool.h: sizes and shapes in md_pool ---- */

    /* y = the largest of each window, never padding; NaN is larger than any number, the first of
       equals counts. arg (as y) = its place in the window, row kw + column: uint8, or uint32 for a
       `wide` window of more than 256 pixels. */
    void (*max_pool2d_forward)(MD_REAL *y, void *arg, const MD_REAL *x, const md_pool *g);
    /* dx (as x) = the sum of dy (as y) over the windows in which the pixel was largest. */
    void (*max_pool2d_backward)(MD_REAL *dx, const MD_REAL *dy, const void *arg, const md_pool *g);
    /* y = the mean of each window, padding counted as zeros. */
    void (*avg_pool2d_forward)(MD_REAL *y, const MD_REAL *x, const md_pool *g);
    void (*avg_pool2d_backward)(MD_REAL *dx, const MD_REAL *dy, const md_pool *g);

    /* ---- mask.h: rng.h says which bits these are ---- */

    /* bits (ceil(n / 32)): whether elements first .. first + n - 1 of the mask are kept, each with
       probability threshold / 2^32, 0 <= threshold <= 2^32. Element `first` is bit 0 of bits[0],
       element first + i bit i % 32 of bits[i / 32], wherever `first` lies; the last word ends in
       zeros. */
    void (*mask_bits)(uint32_t *bits, ptrdiff_t n, const md_stream *s, uint64_t first,
                      uint64_t threshold);
    /* words (n): words first .. first + n - 1 of the stream. */
    void (*random_words)(uint32_t *words, ptrdiff_t n, const md_stream *s, uint64_t first);

    /* ---- dropout.h: the numbers of a law are rounded to reals ---- */

    /* y (n) = x (n) scale + shift where the mask keeps, `dropped` elsewhere, even for inf and NaN.
       The bits are those of mask_bits, and go to bits (ceil(n / 32)) unless it is NULL. y may be
       x. With shift = dropped = 0, x scale alone: -0 stays -0. */
    void (*dropout_forward)(MD_REAL *y, uint32_t *bits, const MD_REAL *x, ptrdiff_t n,
                            const md_stream *s, uint64_t first, uint64_t threshold,
                            const md_drop_law *law);
    /* dx (n) = dout (n) scale where bits (ceil(n / 32)) are 1, +0 elsewhere. dx may be dout. */
    void (*dropout_backward)(MD_REAL *dx, const MD_REAL *dout, const uint32_t *bits, ptrdiff_t n,
                             double scale);

    /* ---- shared_mask.h: elements that share a bit of a smaller mask ---- */

    /* y = x scale + shift where its bit is 1, `dropped` elsewhere, as dropout_forward. x and y have
       the axes of s, size[0] the fastest; step[0][i] is how many bits of the mask stand between two
       neighbours along axis i, 0 where they share one. y may be x. */
    void (*shared_mask)(MD_REAL *y, const MD_REAL *x, const uint32_t *bits, const md_broadcast *s,
                        const md_drop_law *law);

    /* ---- gaussian.h: rng.h says which normal numbers z these are ---- */

    /* y (n) = x (n) (1 + std z), or x (n) + std z with multiply = 0. z are normal numbers first ..
       first + n - 1 of the stream. y may be x. */
    void (*gaussian)(MD_REAL *y, const MD_REAL *x, ptrdiff_t n, double std, int multiply,
                     const md_stream *s, uint64_t first);

    /* ---- drop_connect.h: x (m, k), w (k, n), y (m, n), bits (m, ceil(k n / 32)) ---- */

    /* y[i] = x[i] (w scale, where mask i keeps) [+ bias (n)]. The mask of sample i has elements
       first + i k n and following, and a row of bits; bias, bits and y may be NULL. */
    void (*drop_connect_forward)(MD_REAL *y, uint32_t *bits, const MD_REAL *x, const MD_REAL *w,
                                 const MD_REAL *bias, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k,
                                 const md_stream *s, uint64_t first, uint64_t threshold,
                                 double scale);
    /* dx and dw; either may be NULL. */
    void (*drop_connect_backward)(MD_REAL *dx, MD_REAL *dw, const MD_REAL *dout, const MD_REAL *x,
                                  const MD_REAL *w, const uint32_t *bits, ptrdiff_t m, ptrdiff_t n,
                                  ptrdiff_t k, double scale);

    /* ---- zoneout.h: arrays of n ---- */

    /* y = new where the mask of mask_bits keeps, else old. bits (ceil(n / 32)) may be NULL. */
    void (*zoneout_forward)(MD_REAL *y, uint32_t *bits, const MD_REAL *new, const MD_REAL *old,
                            ptrdiff_t n, const md_stream *s, uint64_t first, uint64_t threshold);
    /* dnew = dout where bits are 1, dold = dout elsewhere, and +0; either may be NULL. */
    void (*zoneout_backward)(MD_REAL *dnew, MD_REAL *dold, const MD_REAL *dout,
                             const uint32_t *bits, ptrdiff_t n);

    /* ---- drop_block.h: sizes in md_blocks; bits (n, h, ceil(w / 32) or ceil(w c / 32)) ---- */

    /* y = x scales[sample] where no block lies, +0 elsewhere. bits: 1 where kept, each row of
       pixels from a word of its own on; scales (n): masked elements of the sample / kept ones, or
       0. A seed is an element that mask_bits drops, from `first` on. y may be NULL. */
    void (*drop_block_forward)(MD_REAL *y, uint32_t *bits, MD_REAL *scales, const MD_REAL *x,
                               const md_blocks *g, const md_stream *s, uint64_t first,
                               uint64_t threshold, uint32_t *scratch);
    void (*drop_block_backward)(MD_REAL *dx, const MD_REAL *dout, const uint32_t *bits,
                                const MD_REAL *scales, const md_blocks *g);
    ptrdiff_t (*drop_block_scratch)(const md_blocks *g); /* words of 32 bits */

    /* ---- concrete.h: arrays of n; logit = log(p / (1 - p)), temperature > 0 ---- */

    /* y = x kept, kept = (1 - z) / (1 - p), z = sigmoid((logit + log(u / (1 - u))) / temperature),
       u = (w + 1/2) / 2^32 for words w of random_words, from `first` on. y may be NULL. */
    void (*concrete_forward)(MD_REAL *y, MD_REAL *kept, const MD_REAL *x, ptrdiff_t n, double logit,
                             double temperature, const md_stream *s, uint64_t first);
    /* dx = dout kept; slope: each element's part of the gradient of logit. */
    void (*concrete_backward)(MD_REAL *dx, MD_REAL *slope, const MD_REAL *dout, const MD_REAL *x,
                              const MD_REAL *kept, ptrdiff_t n, double logit, double temperature);

    /* ---- update.h: md_param and md_rule say what is in a list ---- */

    /* One step of its rule for each parameter of the list, with g = grad + decay value + l1 sign:
         MD_SGD       v = momentum v + g; value -= lr v, or lr (g + momentum v) if nesterov;
                      without state[0], value -= lr g
         MD_ADAM      m = lerp(m, g, 1 - beta1), v = lerp(v, g g, 1 - beta2),
                      value = (1 - lr decoupled_decay) value
                              - lr / (1 - beta1^step) m / (sqrt(v / (1 - beta2^step)) + eps)
         MD_RMSPROP   v = lerp(v, g g, 1 - beta2), u = g / (sqrt(v) + eps); with state[1], the mean
                      of g, v - mean^2 under the root; with state[2], u = b = momentum b + u;
                      value -= lr u
         MD_ADAGRAD   s = s + g g, value -= lr / (1 + (step - 1) lr_decay) g / (sqrt(s) + eps)
         MD_ADADELTA  v = lerp(v, g g, 1 - beta2), u = sqrt((a + eps) / (v + eps)) g,
                      a = lerp(a, u u, 1 - beta2), value -= lr u
       The states, in the order in which they stand here, are state[0], [1], [2]. One that fades,
       as all but s do, is 0 from where it would be less than the smallest normal number. */
    void (*update)(const md_param *list, ptrdiff_t count);
    /* Each value of the list times `factor`; nothing else of a parameter is read. */
    void (*scale_list)(const md_param *list, ptrdiff_t count, double factor);
    /* Scale each column of w (rows, cols) whose Euclidean norm is above `limit` down to it; one
       whose norm is not finite stays. scratch: cols + sum_scratch(1, rows, cols) reals. */
    void (*max_norm)(MD_REAL *w, ptrdiff_t rows, ptrdiff_t cols, double limit, MD_REAL *scratch);

    /* ---- peak.h ---- */

    /* Run independent fused multiply-adds on every thread: the machine's limit.
       Returns the floating-point operations done; writes 16 reals. */
    double (*fma_peak)(MD_REAL *out, ptrdiff_t iterations);
    /* Run the micro-kernel of matrix products on every thread, over operands that stay in L1: the
       limit of what loads its operands. Returns the floating-point operations done. */
    double (*tile_peak)(MD_REAL *scratch, ptrdiff_t iterations);
    ptrdiff_t (*tile_peak_scratch)(void); /* reals */
    /* Every thread writes `reals`, then reads those of the next thread, so many times. Returns the
       bytes read. rooms: reals, a multiple of 128, for twice as many threads as there are. */
    double (*exchange)(MD_REAL *rooms, ptrdiff_t reals, ptrdiff_t rounds);
} md_kernels;

/* ---- dispatch.c ---- */

const md_kernels *md_table(int is_double);     /* the active kernels for float or double arrays */
const char *md_isa(void);                      /* the name of the active float table */
int md_use_isa(const char *name);              /* 0, or -1: unknown, -2: this machine lacks it */
const char *md_isa_name(int i);                /* known names, best first; NULL after the last */
int md_isa_available(int i);

#endif
