"""The book's trainer without one of its pieces: contenders of one interface."""
