"""Annotations and predictions of one sample."""

from __future__ import annotations

from mmengine.structures import BaseDataElement

__all__ = ['SSCDataSample']


class SSCDataSample(BaseDataElement):
    """Labels and predictions of one scene.

    Data fields (tensors, all over the grid's array axes ``(X, Y, Z)``):

    - ``gt_voxels``: uint8 class ids, 0 empty, 255 ignore. Missing if there are no labels.
    - ``gt_voxels_1_2``, ``gt_voxels_1_4``, ``gt_voxels_1_8``: the same on coarser grids.
    - ``frustum_index``: uint8 number of the image's cell that each voxel projects to, 255 none.
    - ``eval_masks``: dict of bool volumes, by name.
    - ``pred_voxels``: uint8 class ids.
    - ``within_reach``: bool, the voxels of ``pred_voxels`` that pictures show; missing if they show
      all of them.
    - ``voxel_logits``: (K, X, Y, Z) float32, only on request.

    Metainfo: ``voxel_grid`` (:class:`VoxelGrid`), ``sequence``, ``frame_id``, ``img_paths``,
    ``img_shape`` (height, width), ``cam2img`` (3, 3) float64, ``lidar2cam`` (N, 4, 4) float64 for
    N frames, reference frame first.
    """
