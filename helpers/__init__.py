"""Shared model code of the book, in packages by concept.

A reader's rooms are ``losses``, ``networks``, ``training``, ``prediction`` and ``checkup``;
``data``, ``exact``, ``figures`` and ``page`` serve the chapters. ``draws`` and ``saving`` are the
engine rooms, which nobody has to enter. Installed by pip, the package is called ``tfp_losses``
(the name ``helpers`` is taken in many a project), and its tools are at hand:
``from tfp_losses import checkup, losses_by_layer, train_by_elbo, predict_by_draws, ElboMonitor``.

The package has no dependencies of its own: it uses what Colab has installed. Importing it silences
two warnings that a reader need not act on, and changes nothing else: the Keras deprecation that
every layer of TensorFlow Probability raises while it is built (``layer.add_variable``), and tqdm's
request for ipywidgets, without which it draws its progress bar as text.
"""

import warnings

__version__ = "0.1.0"

warnings.filterwarnings(
    "ignore", message=r"`layer\.add_variable` is deprecated", category=UserWarning
)
warnings.filterwarnings("ignore", message="IProgress not found")

if __name__ == "tfp_losses":
    from .checkup import checkup
    from .losses import losses_by_layer
    from .prediction import predict_by_draws
    from .training import ElboMonitor, train_by_elbo

    __all__ = ["ElboMonitor", "checkup", "losses_by_layer", "predict_by_draws", "train_by_elbo"]
