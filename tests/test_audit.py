"""The audit of the site: a good site keeps every row, each kind of fault turns its row red."""

import base64
import json
import pathlib
import random
import shutil
import subprocess

import pytest

from tools import audit

pytestmark = pytest.mark.xdist_group("audit")  # one worker measures the two sites, once each
ROOT = pathlib.Path(__file__).resolve().parents[1]
GOOD = ROOT / "tests" / "fixtures" / "site_good"
SCRIPTS = ROOT / "audit"
RIGHT = [{"id": "right", "q": "formulas losses", "targets": ["index.html#formulas"]}]
WRONG = [{"id": "wrong", "q": "formulas losses", "targets": ["gone.html#formulas"]}]
PARAGRAPH, HEAD = "<p>It goes on", "</head>"
JUMP = """<script>addEventListener("load", () => setTimeout(() => {
  document.body.prepend(Object.assign(document.createElement("div"), {style: "height: 400px"}));
}, 50));</script>"""


def styled(where, how):
    """A style at the end of the head, for paragraphs and for what has the focus."""
    return HEAD, f"<style>{where} {{ p, :focus-visible {{ {how} }} }}</style>{HEAD}"


# A page of the spoiled site: what is replaced on the good page, by what. Its name is the row's.
SPOILED = {
    "foreign": (PARAGRAPH, '<script src="https://host.invalid/a.js"></script>' + PARAGRAPH),
    "failed": (PARAGRAPH, '<script src="gone.js"></script>' + PARAGRAPH),
    "console": (PARAGRAPH, '<script>throw new Error("broken");</script>' + PARAGRAPH),
    "links": ("second.html#place", "second.html#nowhere"),
    "ids": ('id="pictures"', 'id="formulas"'),
    "formulas": ("<math", r"<span>\(\frac{1}{2}\)</span><math"),
    "scripts": (
        "</article>",
        "</article><script>document.querySelector('article').append('word '.repeat(99))</script>",
    ),
    "file": ('href="style.css"', 'href="/book/style.css"'),
    "images": (' width="100" height="50" alt="A line that rises from left to right."', ""),
    "axe-light": styled(
        "@media (prefers-color-scheme: light) and (min-width: 999px)", "color: #aaa"
    ),
    "axe-dark": styled("@media (prefers-color-scheme: dark)", "color: #333"),
    "axe-phone": styled("@media (max-width: 400px)", "color: #ccc"),
    "overflow-desktop": styled("@media (min-width: 999px)", "width: 2000px"),
    "overflow-phone": styled("@media (max-width: 400px)", "width: 500px"),
    "print": styled("@media print", "display: none"),
    "menu": ('popovertarget="menu"', 'popovertarget="gone"'),
    "keyboard": ("<h2>Formulas", '<h2>Formulas <a style="visibility: hidden" href="#b">b</a>'),
    "focus": styled("@media screen", "outline: none !important"),
    "shift": (PARAGRAPH, JUMP + PARAGRAPH),
    "heaviest": ("line.svg", "heavy.svg"),
    "w3c": ("<h2>Pictures</h2>", '<h2 halign="left">Pictures</h2>'),
}
# Rows that no single page spoils, but the whole site: its style, its search.
OF_THE_SITE = {"median", "page", "section", "empty", "first", "answer"}
# What one fault cannot help spoiling besides.
BESIDES = {
    "foreign": {"failed", "file"},
    "failed": {"file"},
    "console": {"file"},
    "menu": {"w3c"},
    "ids": {"links", "w3c", "axe-light", "axe-phone"},
    "images": {"axe-light", "axe-phone", "w3c"},
    "keyboard": {"links"},
}


def measured(site: pathlib.Path, queries: list[dict], folder: pathlib.Path) -> tuple[dict, int]:
    """Run the audit on a site; return its rows by key, and its exit code."""
    asked, told = folder / "queries.json", folder / "report.json"
    asked.write_text(json.dumps({"queries": queries}))
    command = ["node", SCRIPTS / "audit.mjs", site, "--base", "/book/", "--lighthouse", "0"]
    command += ["--queries", asked, "--report", told]
    environment = {**audit.os.environ, "CHROME_PATH": str(audit.browser())}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert told.exists(), done.stdout + done.stderr
    rows = json.loads(told.read_text())["rows"]
    assert all(row["what"] in done.stdout for row in rows)
    return {row["key"]: row for row in rows}, done.returncode


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The rows of the good site."""
    return measured(GOOD, RIGHT, tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory):
    """The rows of a site with a page for each fault, a heavy style, and a poor search."""
    folder = tmp_path_factory.mktemp("spoiled")
    site = folder / "site"
    shutil.copytree(GOOD, site)
    page = (site / "index.html").read_text()
    for key, (old, new) in SPOILED.items():
        assert old in page, key
        (site / f"{key}.html").write_text(page.replace(old, new, 1))
    noise = base64.b64encode(random.Random(0).randbytes(250_000)).decode()
    (site / "style.css").write_text(f"{(GOOD / 'style.css').read_text()}/* {noise} */")
    (site / "heavy.svg").write_text(
        f"{(GOOD / 'line.svg').read_text()}<!-- {noise}{noise[::-1]} -->"
    )
    (site / "index.js").write_text(f"var SECTIONS = []; // {noise}{noise[::-1]}")
    slow = "await load(); const until = Date.now() + 150; while (Date.now() < until);"
    search = (site / "search.js").read_text()
    (site / "search.js").write_text(search.replace("await load();", slow))
    return measured(site, WRONG, folder)


@pytest.mark.browser
def test_good_site_keeps_every_row(good):
    rows, code = good
    assert {key: row["places"] for key, row in rows.items() if row["ok"] is False} == {}
    assert {key for key, row in rows.items() if row["ok"] is None} <= {"mobile", "desktop", "w3c"}
    assert code == 0


@pytest.mark.browser
@pytest.mark.parametrize("key", [*SPOILED, *sorted(OF_THE_SITE)])
def test_row_turns_red(key, spoiled):
    rows, code = spoiled
    assert code == 1
    if rows[key]["ok"] is None:
        assert key == "w3c", "all but the checker that needs Java is measured"
        return
    assert rows[key]["ok"] is False
    assert key in OF_THE_SITE or any(f"{key}.html" in place for place in rows[key]["places"])


@pytest.mark.browser
@pytest.mark.parametrize("key", SPOILED)
def test_a_fault_spoils_no_other_row(key, spoiled):
    rows, _ = spoiled
    faults = {row for row in SPOILED if rows[row]["ok"] is False} - {"heaviest", "shift"}
    named = {row for row in faults if any(f"{key}.html" in p for p in rows[row]["places"])}
    assert named <= {key} | BESIDES.get(key, set())


def said(script: str) -> str:
    """Run a script that knows the report; return what it prints."""
    lines = f"import {{ Findings, table }} from './report.mjs';\n{script}"
    command = ["node", "--input-type=module", "--eval", lines]
    return subprocess.run(command, cwd=SCRIPTS, capture_output=True, text=True, check=True).stdout


@pytest.mark.browser
@pytest.mark.parametrize(("score", "ok"), [(94, "NO"), (95, "yes")])
def test_lighthouse_is_judged(score, ok):
    row = said(
        f"const found = new Findings(); found.number('mobile', {score}, ['a.html: {score}']);"
        "console.log(table(found.rows()));"
    )
    lines = [line for line in row.splitlines() if "mobile, worst" in line]
    assert lines[0].split("|")[-1].strip() == ok
    assert ("a.html" in row) is (ok == "NO")


# What is needed for it


@pytest.fixture
def folder(tmp_path):
    """A folder with the first page of a site."""
    (tmp_path / "index.html").write_text("<!doctype html>")
    return tmp_path


@pytest.mark.parametrize(
    ("there", "sentence"),
    [
        ((), "Node is missing"),
        (("node",), "npm is missing"),
        (("node", "npm"), "a Chromium is missing"),
        (("node", "npm", "chromium"), None),
    ],
)
def test_a_missing_tool_is_told(there, sentence, tmp_path, monkeypatch):
    monkeypatch.delenv("CHROME_PATH", raising=False)
    monkeypatch.setattr(audit.shutil, "which", lambda name: name if name in there else None)
    monkeypatch.setattr(audit, "node_version", lambda: 20 if "node" in there else None)
    found = audit.missing_tools(tmp_path)
    assert found is sentence if sentence is None else sentence in found


def test_an_old_node_and_a_wrong_browser_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(audit, "node_version", lambda: 16)
    assert "Node 16 is too old" in audit.missing_tools(tmp_path)
    monkeypatch.setattr(audit, "node_version", lambda: 18)
    (tmp_path / "audit" / "node_modules").mkdir(parents=True)
    monkeypatch.setenv("CHROME_PATH", "no-such-browser")
    assert "CHROME_PATH=no-such-browser is no program" in audit.missing_tools(tmp_path)


def test_the_audit_is_skipped_for_a_missing_tool_only(folder, capsys, monkeypatch):
    monkeypatch.setattr(audit, "missing_tools", lambda root: "Node is missing.")
    assert audit.main(["--site", str(folder)]) == 0
    assert capsys.readouterr().out == "audit skipped. Node is missing.\n"
    assert audit.main(["--site", str(folder / "gone")]) == 1
    assert "build it with `make book`" in capsys.readouterr().err


def test_the_site_is_measured_where_it_is_published():
    book = audit.read_book(ROOT)
    line = audit.command(book, pathlib.Path("site"), 2)
    assert line[line.index("--base") + 1] == "/tfp-losses-book/"
    assert line[line.index("--lighthouse") + 1] == "2"


def test_queries_lead_to_pages_of_the_book():
    queries = json.loads((ROOT / audit.QUERIES).read_text(encoding="utf-8"))["queries"]
    pages = {f"{page.name}.html" for page in audit.read_book(ROOT).pages}
    targets = {target.split("#")[0] for query in queries for target in query["targets"]}
    assert len(queries) >= 70
    assert targets <= pages
