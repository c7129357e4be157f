"""Pure counting, usable without a Runner."""

from .ssc_counts import SSCCounts, SSCScores, count_voxels, scores_from_counts, sum_counts

__all__ = ['SSCCounts', 'SSCScores', 'count_voxels', 'scores_from_counts', 'sum_counts']
