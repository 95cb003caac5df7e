"""Networks with TFP's layers, as the chapters build them."""
