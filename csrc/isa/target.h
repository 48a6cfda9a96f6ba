/* Compile the rest of a unit for more than the baseline, without a flag in the build.
   gcc takes a pragma with the features; clang an attribute pushed onto every function. */
#define MD_PRAGMA(x) _Pragma(#x)
#if defined(__clang__)
#define MD_TARGET(features) \
    MD_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define MD_TARGET_END _Pragma("clang attribute pop")
#else
#define MD_TARGET(features) MD_PRAGMA(GCC target(features))
#define MD_TARGET_END
#endif
