"""One understanding of a reader's network, on which all tools stand.

``inputs`` reads data of any form; ``outputs`` finds the likelihood of what a network puts out
(``likelihood`` holds the families, ``keras_losses`` and ``compiled_loss`` what Keras is told);
``weight_posteriors`` finds posteriors and priors in layers of any kind, and ``entries`` says what
each entry of ``losses`` is. ``watch`` and ``untouched`` look at one call, and leave no trace.
"""
