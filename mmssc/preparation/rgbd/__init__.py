"""Preparation of RGB-D data sets."""
