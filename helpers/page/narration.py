"""Sentences whose numbers are computed: prose that cannot drift from the results.

Introduced in chapters/01-kl-formula.md, "Test the guess".
"""

from IPython.display import Markdown, display


def say(text: str) -> None:
    """Show ``text`` as Markdown (with ``$…$`` formulas) in a notebook and on the site."""
    display(Markdown(text))
