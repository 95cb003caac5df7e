"""The most memory that a process and its children held at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import psutil

EVERY_SECONDS = 0.5


class Peak:
    """Watch a process; `mebibytes` is the most that it and its children held together."""

    def __init__(self) -> None:
        self.mebibytes = 0.0

    @contextlib.asynccontextmanager
    async def of(self, pid: int) -> AsyncIterator[None]:
        """Look at process `pid` again and again while the body runs."""
        watch = asyncio.create_task(self._watch(pid))
        try:
            yield
        finally:
            watch.cancel()

    async def _watch(self, pid: int) -> None:
        while True:
            self.mebibytes = max(self.mebibytes, resident(pid) / 2**20)
            await asyncio.sleep(EVERY_SECONDS)


def resident(pid: int) -> int:
    """Bytes that a process and its children hold in memory; 0 once it is gone."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for one in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                total += one.memory_info().rss
    return total
