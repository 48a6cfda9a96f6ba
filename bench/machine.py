"""What a benchmark has to know and to arrange on the machine it runs on."""

import os
import platform
import resource
import time
from pathlib import Path


def processors(count):
    """The first `count` processors this process may use, one per physical core while there are
    enough cores; an empty list where the system cannot say."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    allowed = sorted(os.sched_getaffinity(0))
    by_core = {}
    for processor in allowed:
        by_core.setdefault(_core(processor), processor)
    firsts = list(by_core.values())
    others = [processor for processor in allowed if processor not in firsts]
    return (firsts + others)[:count]


def _core(processor):
    siblings = Path(f"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list")
    return siblings.read_text().strip() if siblings.exists() else processor


def pin(threads):
    """Keeps this process on `threads` processors. To be called before a thread pool exists:
    threads inherit it, and XLA sizes its pool by it."""
    if chosen := processors(threads):
        os.sched_setaffinity(0, chosen)


def describe():
    """Processor, cores, system and Python, as a dict of strings and numbers."""
    return {
        "processor": _processor_name(),
        "cores": len({_core(processor) for processor in processors(os.cpu_count())})
        or os.cpu_count(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _processor_name():
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def most_memory():
    """The most memory that this process had resident so far, bytes; None where it is not told."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    for line in status.read_text().splitlines():
        key, _, value = line.partition(":")
        if key == "VmHWM":
            return int(value.split()[0]) * 1024
    return None


def _processor_seconds():
    """(used by anything on this machine, stolen by others on its host), processor seconds so far;
    None where it cannot be read."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return None
    user, nice, system, _, _, irq, softirq, steal = map(
        int, stat.read_text().splitlines()[0].split()[1:9]
    )
    tick = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq) / tick, steal / tick


class OtherLoad:
    """What was not ours between the start and a question: the part of the noise that can be known.
    A child counts as ours once it has been waited for."""

    def __init__(self):
        self._start = self._read()

    def share(self):
        """The share of all processors' time that other programs took, 0 to 1; None if unknown."""
        if self._start is None:
            return None
        wall, busy, _, own = self._since_start()
        return max(0.0, busy - own) / (wall * os.cpu_count())

    def stolen(self):
        """The share of all processors' time in which the host of this virtual machine let it wait
        although it had work, 0 to 1; None if unknown."""
        if self._start is None:
            return None
        wall, _, stolen, _ = self._since_start()
        return stolen / (wall * os.cpu_count())

    def _since_start(self):
        return [now - then for now, then in zip(self._read(), self._start, strict=True)]

    @staticmethod
    def _read():
        seconds = _processor_seconds()
        if seconds is None:
            return None
        kinds = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
        usages = [resource.getrusage(kind) for kind in kinds]
        own = sum(usage.ru_utime + usage.ru_stime for usage in usages)
        return time.monotonic(), *seconds, own
