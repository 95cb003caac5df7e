"""Predictions as averages over draws of the weights, and what they are worth."""

from .predict import predict_by_draws

__all__ = ["predict_by_draws"]
