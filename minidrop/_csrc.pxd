# csrc/minidrop.h again, and what it includes, in its order.
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t


cdef extern from "memory.h" nogil:
    ctypedef struct md_pool_counts:
        size_t mapped_bytes, used_bytes, mappings, requests
    void *md_alloc(size_t bytes)
    void md_free(void *block)
    void md_pool_trim()
    md_pool_counts md_pool_stats()
    enum:
        MD_L1, MD_L3
    size_t md_cache_bytes(int cache)
    void md_set_cache_bytes(int cache, size_t bytes)


cdef extern from "parallel.h" nogil:
    int md_workers()
    void md_set_threads(int threads)
    int md_hold_workers(int workers)
    int md_has_openmp()


cdef extern from "minidrop.h" nogil:
    enum:
        MD_NN, MD_NT, MD_TN

    ctypedef struct md_stream:
        uint64_t seed, stream, call
        uint32_t domain

    ctypedef struct md_drop_law:
        double scale, shift, dropped

    ctypedef struct md_drop:
        md_stream stream
        uint64_t first, threshold
        md_drop_law law

    ctypedef struct md_conv:
        Py_ssize_t n, h, w, cin, kh, kw, cout, oh, ow
        Py_ssize_t stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups
        Py_ssize_t relu, pool, masks_dx
        const md_drop *drop
        const uint32_t *w_bits
        double w_scale

    enum:
        MD_DIMS
        MD_ADD, MD_SUB, MD_MUL, MD_DIV, MD_MAXIMUM, MD_MINIMUM, MD_POW
        MD_COPY, MD_NEG, MD_ABS, MD_SQRT, MD_EXP, MD_LOG
        MD_RELU, MD_LEAKY_RELU, MD_ELU, MD_GELU, MD_GELU_TANH, MD_SILU, MD_SIGMOID, MD_TANH
        MD_SOFTPLUS

    ctypedef struct md_broadcast:
        int ndim
        Py_ssize_t size[64]
        Py_ssize_t step[3][64]

    ctypedef struct md_pool:
        Py_ssize_t n, h, w, c, oh, ow
        Py_ssize_t kh, kw, stride_h, stride_w, pad_h, pad_w
        int wide

    ctypedef struct md_blocks:
        Py_ssize_t n, h, w, c, block
        int shared

    enum:
        MD_SGD, MD_ADAM, MD_RMSPROP, MD_ADAGRAD, MD_ADADELTA
        MD_UPDATE_CHUNK

    ctypedef struct md_rule:
        int law, nesterov
        double lr, momentum, beta1, beta2, eps, lr_decay
        double decay, l1, decoupled_decay

    ctypedef struct md_param:
        void *value
        const void *grad
        void *state[3]
        Py_ssize_t size, chunks_before, step
        const md_rule *rule

    ctypedef struct md_kernels:
        const char *name

        # matmul.h
        void (*matmul)(void *c, const void *a, const void *b, const void *bias,
                       Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, int form, int relu,
                       void *scratch) noexcept nogil
        Py_ssize_t (*matmul_scratch)(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
                                     int form, int b_masked) noexcept nogil
        void (*matmul_masked)(void *c, const void *a, const void *b, const uint32_t *bits,
                              double scale, const void *bias, Py_ssize_t m, Py_ssize_t n,
                              Py_ssize_t k, int form, void *scratch) noexcept nogil

        # matmul_stack.h
        void (*matmul_stack)(void *c, const void *a, const void *b, const Py_ssize_t *a_at,
                             const Py_ssize_t *b_at, Py_ssize_t count, Py_ssize_t m,
                             Py_ssize_t n, Py_ssize_t k, int form,
                             void *scratch) noexcept nogil
        Py_ssize_t (*matmul_stack_scratch)(Py_ssize_t count, Py_ssize_t m, Py_ssize_t n,
                                           Py_ssize_t k, int form) noexcept nogil

        # conv2d.h
        void (*conv2d_forward)(void *y, uint8_t *where, const void *x, const void *w,
                               const void *bias, const md_conv *g, void *scratch) noexcept nogil
        void (*conv2d_backward)(void *dx, void *dw, void *db, const void *x, const void *w,
                                const void *dy, const void *y, const uint8_t *where,
                                const md_conv *g, void *scratch) noexcept nogil
        Py_ssize_t (*conv2d_scratch)(const md_conv *g) noexcept nogil

        # winograd.h
        void (*winograd_forward)(void *y, uint8_t *where, const void *x, const void *w,
                                 const void *bias, const md_conv *g, void *scratch) noexcept nogil
        void (*winograd_backward)(void *dx, void *dw, void *db, const void *x, const void *w,
                                  const void *dy, const void *y, const uint8_t *where,
                                  const md_conv *g, void *scratch) noexcept nogil
        Py_ssize_t (*winograd_scratch)(const md_conv *g, int backward) noexcept nogil

        # arithmetic.h
        void (*binary)(void *y, const void *a, const void *b, const md_broadcast *s,
                       int op) noexcept nogil
        void (*where)(void *y, const uint8_t *condition, const void *a, const void *b,
                      const md_broadcast *s) noexcept nogil
        void (*unary)(void *y, const void *x, Py_ssize_t n, int op) noexcept nogil
        void (*clip)(void *y, const void *x, Py_ssize_t n, double low, double high) noexcept nogil

        # reduce.h
        void (*sum)(void *y, const void *x, Py_ssize_t outer, Py_ssize_t mid, Py_ssize_t inner,
                    int squares, double divisor, void *scratch) noexcept nogil
        Py_ssize_t (*sum_scratch)(Py_ssize_t outer, Py_ssize_t mid,
                                  Py_ssize_t inner) noexcept nogil

        # extreme.h
        void (*extreme)(void *y, int64_t *place, const void *x, Py_ssize_t outer, Py_ssize_t mid,
                        Py_ssize_t inner, int least) noexcept nogil

        # activation.h
        void (*activation_forward)(void *y, const void *x, Py_ssize_t n, int kind, double a,
                                   double b) noexcept nogil
        void (*activation_backward)(void *dx, const void *dy, const void *saved, Py_ssize_t n,
                                    int kind, double a, double b) noexcept nogil

        # softmax.h
        void (*softmax_forward)(void *y, const void *x, Py_ssize_t rows, Py_ssize_t cols,
                                int log) noexcept nogil
        void (*softmax_backward)(void *dx, const void *dy, const void *y, Py_ssize_t rows,
                                 Py_ssize_t cols, int log) noexcept nogil

        # loss.h
        void (*cross_entropy)(void *losses, void *dx, const void *x, const int64_t *labels,
                              Py_ssize_t rows, Py_ssize_t cols, double smoothing,
                              double scale) noexcept nogil
        void (*binary_cross_entropy)(void *losses, const void *x, const void *t,
                                     Py_ssize_t n) noexcept nogil
        void (*binary_cross_entropy_slope)(void *dx, const void *x, const void *t,
                                           Py_ssize_t n) noexcept nogil

        # batch_norm.h
        Py_ssize_t (*norm_scratch)(Py_ssize_t rows, Py_ssize_t c) noexcept nogil
        void (*batch_statistics)(void *mean, void *var, const void *x, Py_ssize_t rows,
                                 Py_ssize_t c, void *scratch) noexcept nogil
        void (*move_statistics)(void *running, const void *batch, Py_ssize_t c, double momentum,
                                double times) noexcept nogil
        void (*batch_norm_forward)(void *y, const void *x, const void *mean, const void *var,
                                   const void *weight, const void *bias, Py_ssize_t rows,
                                   Py_ssize_t c, double eps, int relu,
                                   void *scratch) noexcept nogil
        void (*batch_norm_backward)(void *dx, void *dweight, void *dbias, const void *dy,
                                    const void *x, const void *mean, const void *var,
                                    const void *weight, const void *bias, Py_ssize_t rows,
                                    Py_ssize_t c, double eps, int training, int relu,
                                    void *scratch) noexcept nogil

        # layer_norm.h
        void (*layer_norm_forward)(void *y, void *mean, void *inverse, const void *x,
                                   const void *weight, const void *bias, Py_ssize_t rows,
                                   Py_ssize_t cols, double eps) noexcept nogil
        void (*layer_norm_backward)(void *dx, void *dweight, void *dbias, const void *dy,
                                    const void *x, const void *mean, const void *inverse,
                                    const void *weight, Py_ssize_t rows, Py_ssize_t cols,
                                    void *scratch) noexcept nogil
        Py_ssize_t (*layer_norm_scratch)(Py_ssize_t rows, Py_ssize_t cols) noexcept nogil

        # pool.h
        void (*max_pool2d_forward)(void *y, void *arg, const void *x,
                                   const md_pool *g) noexcept nogil
        void (*max_pool2d_backward)(void *dx, const void *dy, const void *arg,
                                    const md_pool *g) noexcept nogil
        void (*avg_pool2d_forward)(void *y, const void *x, const md_pool *g) noexcept nogil
        void (*avg_pool2d_backward)(void *dx, const void *dy, const md_pool *g) noexcept nogil

        # mask.h
        void (*mask_bits)(uint32_t *bits, Py_ssize_t n, const md_stream *s, uint64_t first,
                          uint64_t threshold) noexcept nogil
        void (*random_words)(uint32_t *words, Py_ssize_t n, const md_stream *s,
                             uint64_t first) noexcept nogil

        # dropout.h
        void (*dropout_forward)(void *y, uint32_t *bits, const void *x, Py_ssize_t n,
                                const md_stream *s, uint64_t first, uint64_t threshold,
                                const md_drop_law *law) noexcept nogil
        void (*dropout_backward)(void *dx, const void *dout, const uint32_t *bits, Py_ssize_t n,
                                 double scale) noexcept nogil

        # shared_mask.h, gaussian.h
        void (*shared_mask)(void *y, const void *x, const uint32_t *bits, const md_broadcast *s,
                            const md_drop_law *law) noexcept nogil
        void (*gaussian)(void *y, const void *x, Py_ssize_t n, double std, int multiply,
                         const md_stream *s, uint64_t first) noexcept nogil

        # drop_connect.h
        void (*drop_connect_forward)(void *y, uint32_t *bits, const void *x, const void *w,
                                     const void *bias, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
                                     const md_stream *s, uint64_t first, uint64_t threshold,
                                     double scale) noexcept nogil
        void (*drop_connect_backward)(void *dx, void *dw, const void *dout, const void *x,
                                      const void *w, const uint32_t *bits, Py_ssize_t m,
                                      Py_ssize_t n, Py_ssize_t k, double scale) noexcept nogil

        # zoneout.h
        void (*zoneout_forward)(void *y, uint32_t *bits, const void *new, const void *old,
                                Py_ssize_t n, const md_stream *s, uint64_t first,
                                uint64_t threshold) noexcept nogil
        void (*zoneout_backward)(void *dnew, void *dold, const void *dout, const uint32_t *bits,
                                 Py_ssize_t n) noexcept nogil

        # drop_block.h
        void (*drop_block_forward)(void *y, uint32_t *bits, void *scales, const void *x,
                                   const md_blocks *g, const md_stream *s, uint64_t first,
                                   uint64_t threshold, uint32_t *scratch) noexcept nogil
        void (*drop_block_backward)(void *dx, const void *dout, const uint32_t *bits,
                                    const void *scales, const md_blocks *g) noexcept nogil
        Py_ssize_t (*drop_block_scratch)(const md_blocks *g) noexcept nogil

        # concrete.h
        void (*concrete_forward)(void *y, void *kept, const void *x, Py_ssize_t n, double logit,
                                 double temperature, const md_stream *s,
                                 uint64_t first) noexcept nogil
        void (*concrete_backward)(void *dx, void *slope, const void *dout, const void *x,
                                  const void *kept, Py_ssize_t n, double logit,
                                  double temperature) noexcept nogil

        # update.h
        void (*update)(const md_param *list, Py_ssize_t count) noexcept nogil
        void (*scale_list)(const md_param *list, Py_ssize_t count, double factor) noexcept nogil
        void (*max_norm)(void *w, Py_ssize_t rows, Py_ssize_t cols, double limit,
                         void *scratch) noexcept nogil

        # peak.h
        double (*fma_peak)(void *out, Py_ssize_t iterations) noexcept nogil
        double (*tile_peak)(void *scratch, Py_ssize_t iterations) noexcept nogil
        Py_ssize_t (*tile_peak_scratch)() noexcept nogil
        double (*exchange)(void *rooms, Py_ssize_t reals, Py_ssize_t rounds) noexcept nogil

    const md_kernels *md_table(int is_double)
    const char *md_isa()
    int md_use_isa(const char *name)
    const char *md_isa_name(int i)
    int md_isa_available(int i)
