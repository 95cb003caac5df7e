"""Sphinx extension: sentences for those who cannot see a figure, and sizes for those who can.

A figure's cell displays a PNG and, as the plain-text form of the same output, a sentence that is
built from the plotted data. myst-nb keeps only the picture; here the sentence becomes its
alternative text. The PNG is saved at twice its size, so that it is sharp on fine screens, and
shown at half its pixels, never wider than the page (the book's style sheet sees to that). The site
shows it as WebP without loss, a third of the PNG's size.
"""

from __future__ import annotations

import pathlib
import re
from typing import TYPE_CHECKING, Any

from docutils import nodes
from PIL import Image
from sphinx.util import logging

if TYPE_CHECKING:
    from sphinx.application import Sphinx

LOGGER = logging.getLogger(__name__)
PIXELS_PER_POINT_OF_PAGE = 2
BARE = ("<Figure size", "<Axes", "<seaborn", "<matplotlib", "[<", "array([<")
SIZE_IN_STYLE = re.compile(r'style="width: (\d+)px; height: (\d+)px;?"')
WEBP = "image/webp"


def make_webp(png: pathlib.Path) -> tuple[pathlib.Path, tuple[int, int]]:
    """Write the picture as WebP beside the PNG, pixel for pixel; return its path and its size."""
    webp = png.with_suffix(".webp")
    with Image.open(png) as picture:
        if not webp.exists():  # the name is the hash of the content
            picture.convert("RGB").save(webp, "WEBP", lossless=True, method=6)
        return webp, picture.size


def find_form(bundle: nodes.Element, mime_type: str) -> nodes.Element | None:
    """The part of an output that holds the given form of it."""
    for form in bundle.children:
        if isinstance(form, nodes.Element) and form.get("mime_type") == mime_type:
            return form
    return None


def describe(image: nodes.image, plain: nodes.Element | None) -> None:
    """Use an output's plain text as the image's alternative text; warn when it says nothing."""
    sentence = " ".join(plain.astext().split()) if plain is not None else ""
    if not sentence or sentence.startswith(BARE):
        LOGGER.warning(
            "figure without a sentence for those who cannot see it (its text is %r): "
            "let the cell's last line give helpers' DescribedFigure",
            sentence[:60],
            location=image,
            type="figures",
        )
        return
    image["alt"] = sentence


def fit(image: nodes.image, srcdir: pathlib.Path) -> None:
    """Show the image as WebP at half its pixels, and load it only when the reader comes near."""
    image["loading"] = "lazy"
    webp, size = make_webp(srcdir / str(image["uri"]).lstrip("/"))
    image["uri"] = str(pathlib.Path(image["uri"]).with_name(webp.name))
    for side, pixels in zip(("width", "height"), size, strict=True):
        image[side] = f"{pixels // PIXELS_PER_POINT_OF_PAGE}px"


def reserve_space(
    _app: Sphinx, _page: str, _template: str, context: dict[str, Any], _doctree: object
) -> None:
    """Turn sizes in an image's style into attributes of the image.

    From attributes a browser knows the proportions before it has loaded the picture, and leaves
    room for it, so that the text does not jump; and unlike a height in the style, they do not
    distort the picture where a narrow screen makes the width give way.
    """
    if "body" in context:
        context["body"] = SIZE_IN_STYLE.sub(r'width="\1" height="\2"', context["body"])


def is_output(node: nodes.Node) -> bool:
    """Whether the node is an output in all its forms, as myst-nb leaves it before writing."""
    return isinstance(node, nodes.container) and node.get("nb_element") == "mime_bundle"


def complete_figures(app: Sphinx, doctree: nodes.document) -> None:
    """Give every computed figure of a page its sentence and its size."""
    for bundle in doctree.findall(is_output):
        form = find_form(bundle, "image/png")
        if form is not None:
            for image in form.findall(nodes.image):
                describe(image, find_form(bundle, "text/plain"))
                fit(image, pathlib.Path(app.srcdir))


def allow_webp(app: Sphinx) -> None:
    """Tell Sphinx that browsers show WebP."""
    app.builder.supported_image_types = [WEBP, *app.builder.supported_image_types]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("builder-inited", allow_webp)
    app.connect("doctree-read", complete_figures, priority=100)
    app.connect("html-page-context", reserve_space)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
