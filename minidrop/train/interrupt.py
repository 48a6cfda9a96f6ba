"""Ctrl-C at the right moment: between two training steps, never within one."""

import contextlib
import signal
import threading


@contextlib.contextmanager
def uninterrupted():
    """Ctrl-C meanwhile raises KeyboardInterrupt only at the end; a second one raises at once.

    Without effect outside the main thread, which alone gets interrupts, and where a program has a
    way of its own to handle them.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    pending = []

    def hold(number, frame):
        if pending:
            signal.default_int_handler(number, frame)
        pending.append(number)

    signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if pending:
        raise KeyboardInterrupt
