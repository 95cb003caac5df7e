"""The notebooks for Colab, made from the chapters."""
