"""Strict readers of external files: they refuse everything that a format does not allow."""
