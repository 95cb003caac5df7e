"""The page of symptoms: its table leads to every entry, and the code to paste runs."""

import contextlib
import io
import pathlib
import re
from typing import Any

import numpy as np

PAGE = pathlib.Path(__file__).resolve().parents[1] / "chapters" / "symptoms.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ENTRY = re.compile(r"^### (.+)$", re.MULTILINE)
ROW = re.compile(r"^\| \[.*?\]\(#([^)]+)\)", re.MULTILINE)


def anchor(heading: str) -> str:
    """Return the anchor of a heading, as MyST makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_the_table_has_a_row_for_each_entry():
    text = PAGE.read_text("utf-8")
    assert ROW.findall(text) == [anchor(heading) for heading in ENTRY.findall(text)]
    assert len(ROW.findall(text)) >= 18


def test_each_entry_names_its_causes_and_leads_to_a_chapter():
    for entry in PAGE.read_text("utf-8").split("\n### ")[1:]:
        assert re.search(r"^\*\*(Causes|How)\.\*\*", entry, re.MULTILINE), entry[:60]
        assert re.search(r"\*\*More\.\*\* .*\]\(\d\d-[\w-]+\.md", entry), entry[:60]


def test_the_code_to_paste_runs_from_top_to_bottom(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked, prelude, *blocks = BLOCK.findall(PAGE.read_text("utf-8"))
    rng = np.random.default_rng(0)
    names: dict[str, Any] = {"x": rng.normal(size=(35, 4)).astype("float32"), "num_examples": 35}
    names |= {"y": names["x"][:, 0].copy(), "labels": np.arange(35) % 3}
    with contextlib.redirect_stdout(io.StringIO()) as said:
        for block in [prelude, *blocks]:
            exec(compile(block, "symptoms.md", "exec"), names)
    assert "True True" in said.getvalue()
    assert names["low"].shape == names["high"].shape == (35, 1)
    names["network"] = names["small"]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        names["network"].compile("adam", "mse")
        exec(compile(asked, "symptoms.md", "exec"), names | {"y": names["labels"]})
    assert "WRONG" in said.getvalue()
