"""Showing the exact text of an error without stopping the page."""

import re
from collections.abc import Callable


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
        If nothing was raised: a page that shows an error must notice when it no longer occurs.
    """
    try:
        function()
    except Exception as error:  # noqa: BLE001 (whatever it is, it is what the page shows)
        text = re.sub(r"0x[0-9a-fA-F]{6,}", "0x…", str(error))
        return f"{type(error).__name__}: {text}"
    raise AssertionError("This code was expected to fail, but it ran without an error.")
