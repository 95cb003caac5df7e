"""Sphinx extension: key the outputs' cache by what they depend on besides the chapter itself.

jupyter-cache hashes a chapter's code cells, their metadata and the kernelspec, nothing else: after
a change in helpers/ or of an installed version it would hand out old outputs. Here the folder of
the cache is named after a hash of both (`python -m tools run` carries over the outputs of chapters
that reach nothing of what changed). As `nb_execution_cache_path` is an "env" setting, Sphinx
reads every page again when it changes.
"""

from __future__ import annotations

import pathlib
import shutil
from typing import TYPE_CHECKING

from tools.execute.fingerprint import cache_path

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config


def set_path(app: Sphinx, config: Config) -> None:
    """Tell myst-nb the folder of the cache."""
    build = pathlib.Path(app.outdir).parent
    config.nb_execution_cache_path = str(cache_path(pathlib.Path(app.srcdir), build))


def offer_notebooks(app: Sphinx, exception: Exception | None) -> None:
    """Let a page's .ipynb button give the notebook that Colab opens.

    myst-nb would offer its own copy there, with the MyST source in it and without outputs.
    """
    if exception is not None or app.builder.format != "html":
        return
    target = pathlib.Path(app.outdir, "_sources", "chapters")
    for path in pathlib.Path(app.srcdir, "chapters").glob("*.ipynb"):
        if (target / path.name).exists() or (target / f"{path.stem}.md").exists():
            shutil.copyfile(path, target / path.name)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("config-inited", set_path, priority=100)
    app.connect("build-finished", offer_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
