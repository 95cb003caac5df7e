"""Chapters executed as on Colab, and what is kept of their outputs."""
