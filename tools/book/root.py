"""Where the book lies, and the error of its sources. Needs nothing installed."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]


class BookError(Exception):
    """Something in the book's sources is wrong; the message says where and what to do."""
