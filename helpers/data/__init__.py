"""The data of the chapters."""
