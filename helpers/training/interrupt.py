"""Ctrl-C (or a notebook's stop button) as a wish that is granted at the next good moment."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Within the block an interrupt raises nothing: the function that is yielded then gives True.

    So no step is taken whose result is lost. A second interrupt raises ``KeyboardInterrupt`` at
    once. Outside the main thread, which alone hears of interrupts, it always gives False.
    """
    heard = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield heard.is_set
        return

    def listen(number: int, frame: FrameType | None) -> None:
        """Note the first interrupt; raise ``KeyboardInterrupt`` at a second."""
        if heard.is_set():
            signal.default_int_handler(number, frame)
        heard.set()

    before = signal.signal(signal.SIGINT, listen)
    try:
        yield heard.is_set
    finally:
        signal.signal(signal.SIGINT, before)
