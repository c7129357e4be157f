"""Comparison of one model of LMSCNet or SSCNet with the figures of a case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmssc.checkpoints import CheckpointMethod
from mmssc.models.backbones import PlaneUNet, SSCNetTrunk
from mmssc.models.completors import LidarCompletor
from mmssc.parity.recipe import gradient_norms, our_name, total_loss, watch_outputs
from mmssc.parity.report import ParityCase, ParityReport, crc32

__all__ = ['CaseCheck']

# Relative to the deviation of an array, or to the value of a norm.
_EVAL, _TRAIN, _GRADIENT = 1e-4, 3e-4, 2e-3
_STATISTICS = 1e-5
# The official norm is a float32 sum over two million voxels. In the full-size case of seed 1 it is
# 1.9149, PyTorch's own sum of our gradient 1.9153, the sum in float64 and ours 1.9258.
_LOOSE = {'deconv_classes.bias': 1e-2}


@dataclass
class CaseCheck:
    """What is compared in one case.

    Args:
        model: Our model with the weights of the case.
        method: Its importer.
        case: The figures.
        report: Collects the rows.
        prefix: Start of the names of the arrays.
        voxels: How many voxels may have another class.
    """

    model: LidarCompletor
    method: CheckpointMethod
    case: ParityCase
    report: ParityReport
    prefix: str
    voxels: int

    def close(self, name: str, found: Any, limit: float) -> None:
        """Compare numbers relative to their value."""
        name = self.prefix + name
        self.report.close(name, found, self.case[name], relative=limit)

    def logits(self, occupancy: Tensor, train: bool) -> dict[int, Tensor]:
        """Run the model, and compare its stages in evaluation mode."""
        arrays: dict[str, Tensor] = {}
        self.model.train(train)
        with watch_outputs(_stages(self.model.backbone, arrays)):
            features = self.model.extract_feat(dict(occupancy=occupancy))
        if not train:
            _add_joined(self.model.backbone, arrays)
            for name, array in arrays.items():
                self.report.probed(self.case, self.prefix + name, array, _EVAL)
        return self.model.head(features)

    def compare_logits(self, logits: Mapping[int, Tensor], train: bool, scaled: bool) -> None:
        """Compare logits and, in evaluation mode, their classes."""
        for scale, volume in logits.items():
            ending = f'_1_{scale}' if scaled else ''
            name = f'{"train_" if train else ""}logit{ending}'
            limit = _TRAIN if train else _EVAL
            self.report.probed(self.case, self.prefix + name, volume, limit)
            if not train:
                self._compare_classes(f'argmax{ending}', volume)

    def _compare_classes(self, name: str, logits: Tensor) -> None:
        name, case = self.prefix + name, self.case
        classes = logits.argmax(1).cpu().numpy().astype(np.uint8)
        expected = case[f'{name}/hist']
        hist = np.bincount(classes.reshape(-1), minlength=len(expected))
        moved = int(np.abs(hist - expected).sum())
        self.report.at_most(f'{name}/hist', moved, self.voxels, classes.size, 'voxels')
        self.report.tell(f'{name}/crc32', crc32(classes) == case.integer(f'{name}/crc32'))
        top = logits.topk(2, dim=1).values
        ties = int(((top[:, 0] - top[:, 1]) < 1e-3).sum())
        self.report.tell(f'{name}/n_margin_lt_1e-3',
                         ties == case.integer(f'{name}/n_margin_lt_1e-3'))  # fmt: skip
        if f'{name}/values' in case:
            different = int((classes[0] != case[f'{name}/values']).sum())
            self.report.at_most(f'{name}/values', different, self.voxels, classes.size, 'voxels')

    def backward(self, losses: Mapping[str, Tensor], name: str) -> None:
        """Compare the gradient norms of all parameters."""
        self.model.zero_grad()
        total_loss(losses.values()).backward()
        norms = gradient_norms(dict(self.model.named_parameters()))
        keys = self.case[f'{self.prefix}{name}/keys'].tolist()
        expected = self.case[f'{self.prefix}{name}/l2']
        for key, norm in zip(keys, expected):
            found = norms[our_name(self.method, key)]
            row = f'{self.prefix}{name}/{key}'
            limit = _LOOSE.get(key, _GRADIENT)
            self.report.close(row, found, norm, relative=limit, absolute=1e-9)
        self.report.equal(f'{self.prefix}{name}/count', len(norms), len(keys))

    def compare_statistics(self) -> None:
        """Compare the running statistics after one forward pass in training mode."""
        state, start = self.model.state_dict(), f'{self.prefix}train_bn/'
        for name in self.case.below(start):
            found = state[our_name(self.method, name[len(start) :])]
            self.report.close(name, found, self.case[name], absolute=_STATISTICS)


def _stages(
    backbone: PlaneUNet | SSCNetTrunk, arrays: dict[str, Tensor]
) -> list[tuple[nn.Module, Any]]:
    """The modules whose outputs are stages of the cases."""
    if isinstance(backbone, PlaneUNet):
        unet = backbone.unet
        modules: dict[str, nn.Module] = {f'enc{n + 1}': unet.encoders[n] for n in range(4)}
        modules |= dict(
            bev_1_8=unet.out_1_8, up_1_8=unet.up_1_8, bev_1_4=unet.out_1_4, bev_1_2=unet.out_1_2,
            bev_1_1=backbone.decoder_1_1,
        )  # fmt: skip
    else:
        modules = dict(stem=backbone.stem, block2=backbone.block_1_2, block3=backbone.block_1_4)
        modules |= {f'res{n + 1}': residual for n, residual in enumerate(backbone.residuals)}
        modules |= dict(feat=backbone.fuse)

    def store(name: str, output: Tensor) -> None:
        arrays[name] = output.detach()

    return [(module, partial(store, name)) for name, module in modules.items()]


def _add_joined(backbone: PlaneUNet | SSCNetTrunk, arrays: dict[str, Tensor]) -> None:
    """Turn outputs of modules into the stages of the cases."""
    if isinstance(backbone, PlaneUNet):
        arrays['bev_1_1'] = F.relu(arrays['bev_1_1'])
    else:
        third = arrays.pop('res3')
        arrays['cat'] = torch.cat([third, arrays['res2'], arrays['res1']], 1)
