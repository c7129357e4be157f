"""Generators of synthetic scenes: streets for driving methods, rooms for RGB-D methods."""
