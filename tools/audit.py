"""Measure the built site in a browser: python -m tools audit (what `make audit` calls).

The measuring is done by audit/audit.mjs, on Node, with packages of npm and a Chromium. Where one of
these is missing, a sentence says which, and nothing is measured. A missing site is an error.
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import urllib.parse

from tools.book.root import BookError
from tools.book.settings import Book, read_book
from tools.command_line import book_parser, told

NODE_FROM = 18
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUERIES = pathlib.PurePath("tests", "search_queries.json")


def browser() -> str | None:
    """Return the path of a Chromium: what CHROME_PATH says, or else the first on PATH."""
    asked = os.environ.get("CHROME_PATH")
    names = [asked] if asked else BROWSERS
    return next(filter(None, map(shutil.which, names)), None)


def node_version() -> int | None:
    """Return the first number of Node's version, or None where there is no Node."""
    node = shutil.which("node")
    if node is None:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.", said)
    return int(found[1]) if found else None


def missing_tools(root: pathlib.Path) -> str | None:
    """Return the sentence that says what the audit lacks, and what to install."""
    node = node_version()
    if node is None:
        return f"Node is missing: install Node {NODE_FROM} or newer with npm (Debian: nodejs, npm)."
    if node < NODE_FROM:
        return f"Node {node} is too old: install Node {NODE_FROM} or newer."
    if not (root / "audit" / "node_modules").is_dir() and shutil.which("npm") is None:
        return "npm is missing: install it (Debian: npm)."
    if browser() is None:
        asked = os.environ.get("CHROME_PATH")
        what = f"CHROME_PATH={asked} is no program" if asked else "a Chromium is missing"
        return f"{what}: install one (Debian: chromium), or name it: CHROME_PATH=/path/to/chrome."
    return None


def install(folder: pathlib.Path) -> None:
    """Fetch the packages of the audit, once."""
    if (folder / "node_modules").is_dir():
        return
    print("fetching the packages of the audit (a minute)", flush=True)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel", "error"]
    if subprocess.run(command, cwd=folder, check=False).returncode:
        shutil.rmtree(folder / "node_modules", ignore_errors=True)
        raise BookError("npm could not install the packages of the audit: see its lines above.")


def command(book: Book, site: pathlib.Path, lighthouse: int) -> list[str]:
    """Return the command that measures a site, under the path at which it is published."""
    script = book.root / "audit" / "audit.mjs"
    base = urllib.parse.urlparse(book.site).path
    options = {
        "--base": base,
        "--queries": str(book.root / QUERIES),
        "--report": str(report(book)),
        "--lighthouse": str(lighthouse),
    }
    return ["node", str(script), str(site), *(part for pair in options.items() for part in pair)]


def report(book: Book) -> pathlib.Path:
    """Return the file that names the place of every fault."""
    return book.root / "_build" / "audit.json"


@told
def main(arguments: list[str]) -> int:
    """Measure, and return 1 if something misses; say so and return 0 if a tool is missing."""
    parser = book_parser("audit", __doc__)
    parser.add_argument("--site", type=pathlib.Path, help="the built site (default: _build/html)")
    parser.add_argument("--lighthouse", type=int, default=3, help="its heaviest pages; 0: none")
    options = parser.parse_args(arguments)
    book = read_book(options.root)
    site = options.site or book.root / "_build" / "html"
    if not (site / "index.html").is_file():
        raise BookError(f"no site lies in {site}: build it with `make book`.")
    lacking = missing_tools(book.root)
    if lacking:
        print(f"audit skipped. {lacking}")
        return 0
    install(book.root / "audit")
    report(book).parent.mkdir(exist_ok=True)
    environment = {**os.environ, "CHROME_PATH": str(browser())}
    line = command(book, site.resolve(), options.lighthouse)
    done = subprocess.run(line, env=environment, check=False)
    print(f"every place: {report(book)}")
    return done.returncode
