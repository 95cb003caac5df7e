"""Shared model code of the book: one module per concept.

The package has no dependencies of its own: it uses what Colab has installed. Importing it silences
one Keras deprecation warning that every layer of TensorFlow Probability raises while it is built
(``layer.add_variable``) and that a reader cannot act on; nothing else is changed.
"""

import warnings

__version__ = "0.1.0"

warnings.filterwarnings(
    "ignore", message=r"`layer\.add_variable` is deprecated", category=UserWarning
)
