"""Preparation of driving data sets."""
