"""The tools of the book, one command each: ``python -m tools --help`` lists them.

Nothing is imported here: what makes the environment runs on a bare Python.
"""
