"""Published numbers and trainings: read off a log, computed at the start, or trained again.

The rooms: :mod:`~helpers.published.logs` reads what other people's programs printed,
:mod:`~helpers.published.printed_kl` takes the KL out of it, :mod:`~helpers.published.untrained` has
the KL of a network that is not trained yet, :mod:`~helpers.published.recipe` says what a training
is, and :mod:`~helpers.published.repeat` trains it.
"""

from .again import train_again
from .catalogue import CATALOGUE
from .logs import read_training_log
from .printed_kl import growth_with_step, kl_beside_data_term, undo_warm_up
from .priors import scale_mixture
from .recipe import Recipe, build_network
from .repeat import repeat
from .results import read_results
from .untrained import Spread, drawn_kl_stddev, kl_at_start

__all__ = [
    "CATALOGUE",
    "Recipe",
    "Spread",
    "build_network",
    "drawn_kl_stddev",
    "growth_with_step",
    "kl_at_start",
    "kl_beside_data_term",
    "read_results",
    "read_training_log",
    "repeat",
    "scale_mixture",
    "train_again",
    "undo_warm_up",
]
