"""Published numbers and trainings: read off a log, computed at the start, or trained again.

The rooms: :mod:`~helpers.published.logs` reads what other people's programs printed,
:mod:`~helpers.published.printed_kl` takes the KL out of it, :mod:`~helpers.published.start` has the
KL of a network that is not trained yet, :mod:`~helpers.published.recipe` says what a training is,
and :mod:`~helpers.published.repeat` trains it.
"""
