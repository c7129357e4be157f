"""Random patterns in space, the same on every machine."""

from __future__ import annotations

import numpy as np

__all__ = ['fading_noise', 'stripes', 'value_noise']


def _hash(cells: np.ndarray) -> np.ndarray:
    """Uniform numbers in 0..1 from (..., D) int64 cells, the same on every machine."""
    mixed = np.zeros(cells.shape[:-1], np.uint32)
    for axis, prime in zip(range(cells.shape[-1]), (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)):
        mixed ^= cells[..., axis].astype(np.uint32) * np.uint32(prime)
        mixed *= np.uint32(0x27D4EB2F)
        mixed ^= mixed >> np.uint32(15)
    return (mixed & np.uint32(0xFFFFFF)) / np.float64(0x1000000)


def value_noise(points: np.ndarray, cell: float) -> np.ndarray:
    """Smooth random values in -1..1 of (N, D) points, correlated over ``cell`` metres."""
    scaled = points / cell
    base = np.floor(scaled).astype(np.int64)
    part = scaled - base
    part = part * part * (3 - 2 * part)
    total = np.zeros(len(points))
    for corner in range(2 ** points.shape[1]):
        shift = [(corner >> axis) & 1 for axis in range(points.shape[1])]
        weight = np.prod(np.where(shift, part, 1 - part), axis=1)
        total += weight * _hash(base + shift)
    return 2 * total - 1


def fading_noise(points: np.ndarray, cell: float, footprint: np.ndarray) -> np.ndarray:
    """Noise that fades out where a pixel is larger than its grain (no aliasing)."""
    weight = np.clip(1.5 - 1.5 * footprint / cell, 0, 1)
    noise = np.zeros(len(points))
    seen = weight > 0
    noise[seen] = value_noise(points[seen], cell) * weight[seen]
    return noise


def stripes(value: np.ndarray, period: float, width: float) -> np.ndarray:
    """True on stripes of ``width``, repeated every ``period``."""
    return np.mod(value, period) < width
