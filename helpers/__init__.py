"""Shared model code of the book: one module per concept.

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
