"""Who runs: each contestant is one library in one configuration, in a process of its own."""

import os
import shutil
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

# glibc gives every large freed block back to the kernel, and a fresh 19 MB tensor then costs
# thousands of page faults. With these settings it keeps them, on huge pages: what a PyTorch user
# who knows about it does, and the fair bar for memory-bound work.
TUNED_ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 32),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}


@dataclass(frozen=True)
class Contestant:
    """`name` is what rows and --libs say; `library` is the package that must be installed.
    `channels_last`, `fused` and `compiled` are choices a suite may offer; `environment` is set
    before the process starts."""

    name: str
    library: str
    channels_last: bool = False
    fused: bool = False
    compiled: bool = False
    environment: dict = field(default_factory=dict)


CONTESTANTS = {
    contestant.name: contestant
    for contestant in (
        Contestant("minidrop", "minidrop", channels_last=True),
        # peers keep all their instructions beside it: what is lost without AVX-512
        Contestant(
            "minidrop_avx2", "minidrop", channels_last=True, environment={"MINIDROP_ISA": "avx2"}
        ),
        Contestant("minidrop_direct", "minidrop", channels_last=True),
        Contestant("numpy", "numpy", channels_last=True),
        Contestant("torch", "torch"),
        Contestant("torch_tuned", "torch", environment=TUNED_ALLOCATOR),
        Contestant("torch_cl", "torch", channels_last=True),
        Contestant("torch_cl_tuned", "torch", channels_last=True, environment=TUNED_ALLOCATOR),
        Contestant("torch_fused", "torch", fused=True),
        Contestant("torch_compile", "torch", compiled=True),
        Contestant("jax", "jax", environment={"JAX_PLATFORMS": "cpu"}),
        Contestant("jax_cl", "jax", channels_last=True, environment={"JAX_PLATFORMS": "cpu"}),
    )
}


def installed(contestant):
    """Whether the contestant's package can be found, without importing it; torch.compile needs
    a C++ compiler too."""
    if contestant.compiled and shutil.which(os.environ.get("CXX", "g++")) is None:
        return False
    return find_spec(contestant.library) is not None


def installed_version(contestant):
    """The version of the contestant's package, `not installed`, or `in the source tree`."""
    if not installed(contestant):
        return "not installed"
    try:
        return version(contestant.library)
    except PackageNotFoundError:
        return "in the source tree"
