"""Pure counting, usable without a Runner."""

from .grouped_counts import count_groups, local_scores
from .ssc_counts import SSCCounts, SSCScores, count_voxels, scores_from_counts, sum_counts

__all__ = [
    'SSCCounts', 'SSCScores', 'count_groups', 'count_voxels', 'local_scores', 'scores_from_counts',
    'sum_counts',
]  # fmt: skip
