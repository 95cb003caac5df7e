"""What `losses` holds: KL divergences, in nats, and the weights they come from."""

from .by_layer import losses_by_layer

__all__ = ["losses_by_layer"]
