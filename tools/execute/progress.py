"""Show how far the chapters are: lines when they start and end, and a live line in a terminal."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from types import TracebackType


class LiveLine:
    """One line at the foot of a terminal that is written over; nothing where there is none."""

    def __init__(self) -> None:
        self.live = sys.stdout.isatty()
        self.shown = False

    def show(self, text: str) -> None:
        """Write over the line."""
        if self.live:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\x1b[K{text[:width]}", end="", flush=True)
            self.shown = True

    def clear(self) -> None:
        """Take the line away."""
        if self.shown:
            print("\r\x1b[K", end="", flush=True)
            self.shown = False


class Progress:
    """The state of a run of several chapters."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.ended = 0
        self.cells: dict[str, str] = {}
        self.line = LiveLine()
        self.begun = time.perf_counter()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.line.clear()

    def start(self, name: str) -> None:
        """A chapter begins."""
        self.cells[name] = "starting"
        self._say(f"  start   {name}")

    def end(self, name: str, seconds: float, *, failed: bool) -> None:
        """A chapter is done."""
        del self.cells[name]
        self.ended += 1
        state = "FAILED" if failed else "done"
        self._say(f"  {state:7} {name} ({seconds:.1f} s, {self.ended} of {self.total})")

    def counter(self, name: str) -> Callable[[int, int], None]:
        """A function that takes the number of cells done and their total."""

        def count(done: int, total: int) -> None:
            self.cells[name] = f"cell {done} of {total}"
            self._refresh()

        return count

    def _say(self, text: str) -> None:
        self.line.clear()
        print(text, flush=True)
        self._refresh()

    def _refresh(self) -> None:
        seconds = time.perf_counter() - self.begun
        parts = [f"{name}: {state}" for name, state in self.cells.items()]
        if parts:
            self.line.show(f"  {seconds:.0f} s  " + "  |  ".join(parts))


def slowest(seconds: dict[str, float], count: int = 5) -> str:
    """One line that names the `count` slowest of what is given, the slowest first."""
    order = sorted(seconds, key=lambda name: -seconds[name])[:count]
    return ", ".join(f"{name} {seconds[name]:.0f} s" for name in order)


def table(
    rows: dict[str, tuple[float, str]], wall: float, memory: dict[str, float] | None = None
) -> str:
    """The closing table: each chapter's seconds, MiB at the most, and what became of it."""
    width = max([len(name) for name in rows], default=7)
    lines = [f"{'chapter':{width}}   seconds    MiB"]
    for name, (seconds, state) in sorted(rows.items()):
        note = "stored, not executed again" if state == "stored" else state
        peak = (memory or {}).get(name)
        lines.append(f"{name:{width}} {seconds:9.1f} {f'{peak:6.0f}' if peak else ' ' * 6}  {note}")
    failed = sum(state == "FAILED" for _, state in rows.values())
    lines.append(f"{len(rows)} chapters, {failed} failed, {wall:.1f} s now")
    return "\n".join(lines)
