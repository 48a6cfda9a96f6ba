"""What is running: the version, and the machine and libraries below it."""

import platform

from . import _kernels

__version__ = "0.1.0"  # the one place: pyproject.toml reads it here


def show_versions():
    """Print what a report of a problem should say: versions, instruction sets, threads."""
    import importlib.metadata  # takes longer to import than all of minidrop

    lines = {
        "minidrop": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "isa": f"{_kernels.isa()} of {', '.join(_kernels.available_isas())}",
        "openmp": _kernels.has_openmp(),
        "threads": _kernels.get_num_threads(),
    }
    for name in ("numpy", "safetensors", "tqdm", "pooch", "matplotlib"):
        try:
            lines[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            lines[name] = "not installed"
    print("\n".join(f"{name:12} {value}" for name, value in lines.items()))
