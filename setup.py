"""The one extension: the Cython door and the C behind it. Everything else is in pyproject.toml.

MINIDROP_DEBUG=1 builds with assertions, bounds checks and no optimization.
MINIDROP_OPENMP=0 builds without threads; otherwise OpenMP is used where the compiler has it.
"""

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from glob import glob
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

DEBUG = os.environ.get("MINIDROP_DEBUG") == "1"
OPENMP = os.environ.get("MINIDROP_OPENMP") != "0"

# Contraction is off because vec.h says where a multiply-add is fused: results are then the same
# bits for every instruction set. Integers wrap, as vectors of them do. The other two allow vector
# code and change no result.
COMPILE = ["-std=gnu11", "-ffp-contract=off", "-fwrapv", "-fno-math-errno", "-fno-trapping-math"]
COMPILE += ["-O0", "-g"] if DEBUG else ["-O3", "-g0"]


class BuildWithOpenMP(build_ext):
    """Add OpenMP flags that the compiler at hand accepts: gcc's, or those of Apple's clang."""

    candidates = [(["-fopenmp"], ["-fopenmp"]), (["-Xpreprocessor", "-fopenmp"], ["-lomp"])]

    def build_extensions(self):
        compile_flags, link_flags = next(filter(self.works, self.candidates), ([], []))
        if OPENMP and not compile_flags:
            print("minidrop: this compiler has no OpenMP; building for one thread")
        for extension in self.extensions:
            if OPENMP:
                extension.extra_compile_args += compile_flags
                extension.extra_link_args += link_flags
        self.compile_sources_at_once()
        super().build_extensions()

    def compile_sources_at_once(self):
        """One after the other, as setuptools has it, the instruction sets take minutes."""
        compile_some = self.compiler.compile

        def compile_all(sources, *args, **kwargs):
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                parts = pool.map(lambda source: compile_some([source], *args, **kwargs), sources)
                return [item for part in parts for item in part]

        self.compiler.compile = compile_all

    def works(self, flags):
        compile_flags, link_flags = flags
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "probe.c")
            source.write_text("#include <omp.h>\nint main(void) { return omp_in_parallel(); }\n")
            try:
                objects = self.compiler.compile(
                    [str(source)], output_dir=folder, extra_postargs=compile_flags
                )
                self.compiler.link_executable(
                    objects, "probe", output_dir=folder, extra_postargs=link_flags
                )
            except Exception:  # whatever the compiler's way to say no
                return False
        return True


sources = ["minidrop/_kernels.pyx"]
sources += sorted(glob("csrc/*.c") + glob("csrc/isa/*.c"))
extension = Extension(
    "minidrop._kernels",
    sources,
    include_dirs=["csrc", numpy.get_include()],
    depends=glob("csrc/**/*.h", recursive=True) + ["minidrop/_csrc.pxd"],
    extra_compile_args=COMPILE,
    define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
)
directives = {"language_level": 3, "boundscheck": DEBUG, "wraparound": False}
setup(
    ext_modules=cythonize([extension], compiler_directives=directives),
    cmdclass={"build_ext": BuildWithOpenMP},
)
