"""Showing the exact text of an error or a warning without stopping or cluttering the page.

Introduced in chapters/01-kl-formula.md, "When the prior is not Gaussian".
"""

import contextlib
import logging
import logging.handlers
import re
import textwrap
import warnings
from collections.abc import Callable, Iterator

LOGGERS = ("absl", "tensorflow")


def raised_error(function: Callable[[], object]) -> Exception:
    """Call ``function``, which must fail, and return the exception.

    Raises
    ------
    AssertionError
        If nothing was raised: a page that shows an error must notice when it no longer occurs.
    """
    try:
        function()
    except Exception as error:  # noqa: BLE001 (whatever it is, it is what the page shows)
        return error
    raise AssertionError("This code was expected to fail, but it ran without an error.")


def error_message(function: Callable[[], object]) -> str:
    """Call ``function``, which must fail, and return its error as ``"TypeError: …"``.

    Parameters
    ----------
    function
        Called without arguments.

    Returns
    -------
    str
        Class and text of the exception. Memory addresses, which change at each run, read ``0x…``.

    Raises
    ------
    AssertionError
        If nothing was raised.
    """
    error = raised_error(function)
    return f"{type(error).__name__}: " + re.sub(r"0x[0-9a-fA-F]{6,}", "0x…", str(error))


def wrapped(*messages: str) -> str:
    """Return the messages one below the other, with their long lines cut to a page's width.

    Line breaks of the messages stay; empty lines and the space around a line go.
    """
    lines = [line for message in messages for line in message.splitlines() if line.strip()]
    return "\n".join(textwrap.fill(line.strip(), width=76) for line in lines)


@contextlib.contextmanager
def recorded_warnings() -> Iterator[list[str]]:
    """Collect what the block would print to stderr as warnings, each text once.

    Both kinds are collected: Python's own (``warnings.warn``) and the lines that TensorFlow and
    Keras log, through ``absl`` or TensorFlow's own logger.

    Yields
    ------
    list of str
        Filled when the block ends: ``"UserWarning: …"`` or ``"WARNING: …"``, in the order of their
        first appearance within each kind, Python's first. The one warning that ``helpers``
        silences everywhere stays silent here too.
    """
    messages: list[str] = []
    handler = logging.handlers.BufferingHandler(capacity=1000)
    with contextlib.ExitStack() as stack, warnings.catch_warnings(record=True) as caught:
        not_silenced = r"(?!`layer\.add_variable` is deprecated)"
        warnings.filterwarnings("always", message=not_silenced, category=UserWarning)
        for name in LOGGERS:
            stack.enter_context(_diverted(logging.getLogger(name), handler))
        try:
            yield messages
        finally:
            texts = [f"{warning.category.__name__}: {warning.message}" for warning in caught]
            texts += [f"{record.levelname}: {record.getMessage()}" for record in handler.buffer]
            messages.extend(dict.fromkeys(texts))


@contextlib.contextmanager
def _diverted(logger: logging.Logger, handler: logging.Handler) -> Iterator[None]:
    """Send what a logger reports to ``handler`` alone."""
    handlers, propagate = logger.handlers, logger.propagate
    logger.handlers, logger.propagate = [handler], False
    try:
        yield
    finally:
        logger.handlers, logger.propagate = handlers, propagate
