"""One look for all figures, and a picture that is repeatable and says what it shows."""

import base64
import io

import matplotlib.image
import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter

from helpers.figures.style import COLOURS, DescribedFigure, new_figure


def picture(**options):
    figure, axis = new_figure(**options)
    axis.plot([0, 1, 2], [3, 1, 2], label="loss")
    axis.set(xlabel="step", ylabel="nats")
    axis.legend()
    return DescribedFigure(figure, "A line that falls from 3 to 1 and rises to 2 nats.")


def png(bundle):
    return base64.b64decode(bundle["image/png"])


def test_the_same_data_give_the_same_bytes_from_one_figure_and_from_two():
    first, second = picture(), picture()
    shown = png(first._repr_mimebundle_()[0])
    assert shown.startswith(b"\x89PNG")
    assert png(first._repr_mimebundle_()[0]) == shown
    assert png(second._repr_mimebundle_()[0]) == shown


def test_the_file_names_no_software_version():
    assert b"Software" not in png(picture()._repr_mimebundle_()[0])
    assert b"atplotlib" not in png(picture()._repr_mimebundle_()[0])


@pytest.mark.parametrize("height", [3.4, 4.35, 2.3])
def test_a_picture_has_twice_the_pixels_of_its_place_on_the_page(height):
    bundle, metadata = picture(height=height)._repr_mimebundle_()
    pixels = matplotlib.image.imread(io.BytesIO(png(bundle))).shape
    assert metadata == {"image/png": {"width": 700, "height": round(100 * height)}}
    assert pixels[1] == 1400
    assert abs(pixels[0] - 200 * height) < 1.01  # Matplotlib leaves out the rest of a pixel


def test_a_notebook_shows_the_picture_with_its_sentence_as_text_alternative():
    described = picture()
    bundle, metadata = DisplayFormatter().format(described)
    assert set(bundle) == {"image/png", "text/plain"}
    assert bundle["text/plain"] == described.alt == repr(described)
    assert metadata["image/png"]["width"] == 700


def test_a_figure_is_left_out_of_pyplot_so_that_a_notebook_shows_it_once():
    before = plt.get_fignums()
    picture()
    assert plt.get_fignums() == before


def test_the_style_leaves_the_reader_s_own_settings_alone():
    before = dict(plt.rcParams)
    picture()
    assert dict(plt.rcParams) == before


def test_rows_and_columns_give_an_array_of_axes_in_the_book_s_style():
    figure, axes = new_figure(2, 3, width=6.0, height=4.0, sharex=True)
    assert axes.shape == (2, 3)
    assert figure.get_size_inches().tolist() == [6.0, 4.0]
    assert not axes[0, 0].spines["top"].get_visible()
    assert figure.get_facecolor() == (1, 1, 1, 1)


def test_every_role_has_a_colour():
    assert {"posterior", "prior", "losses", "by_hand", "kl", "elbo", "bayesian", "plain"} < set(
        COLOURS
    )
    single = [colour for colour in COLOURS.values() if isinstance(colour, str)]
    assert all(len(colour) == 7 and colour.startswith("#") for colour in single)
    assert len(np.unique(COLOURS["layers"])) == len(COLOURS["layers"])
