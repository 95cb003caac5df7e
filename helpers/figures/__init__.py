"""Plots of the book: one module per subject, and one style for all."""
