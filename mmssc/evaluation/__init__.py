"""Scores of semantic scene completion, and submissions to a test server."""

from .functional import SSCCounts, SSCScores, count_voxels, scores_from_counts, sum_counts
from .metrics import SSCMetric

__all__ = [
    'SSCCounts', 'SSCMetric', 'SSCScores', 'count_voxels', 'scores_from_counts', 'sum_counts',
]  # fmt: skip
