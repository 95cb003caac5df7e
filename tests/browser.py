"""The browser that some tests drive, with Node and playwright-core; where they are missing, why."""

import os
import pathlib
import shutil

ROOT = pathlib.Path(__file__).resolve().parents[1]
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def chromium() -> str | None:
    """The browser: CHROME_PATH, or the first of the usual names."""
    named = os.environ.get("CHROME_PATH")
    return named or next((found for name in NAMES if (found := shutil.which(name))), None)


def modules() -> pathlib.Path:
    """The folder whose node_modules holds playwright-core: AUDIT_MODULES, or audit/."""
    return pathlib.Path(os.environ.get("AUDIT_MODULES", ROOT / "audit"))


def missing() -> str:
    """What is missing to drive a browser; empty when nothing is."""
    if shutil.which("node") is None:
        return "Node is not installed"
    if chromium() is None:
        return "no Chromium was found (CHROME_PATH names one)"
    if not (modules() / "node_modules" / "playwright-core").exists():
        return "playwright-core is not installed (`make audit` installs it)"
    return ""
