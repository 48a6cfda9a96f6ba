"""Benchmarks: the machine's limits, our kernels, and the peers beside them. See README.md."""
