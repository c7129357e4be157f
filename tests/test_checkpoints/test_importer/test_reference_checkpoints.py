"""Official checkpoints of the indoor methods: every tensor accounted for, both ways."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from mmengine.registry import init_default_scope
from torch import Tensor

from mmssc.checkpoints import (
    CheckpointMethod,
    ImportReport,
    export_state_dict,
    get_method,
    import_state_dict,
)
from mmssc.parity.recipe import fill_checkpoint
from mmssc.registry import MODELS

DATA = Path(__file__).parents[2] / 'data/parity'
STATISTICS = ('running_mean', 'running_var', 'num_batches_tracked')


class Counts(NamedTuple):
    """What the authors' file holds; parameters without statistics of normalisation."""

    tensors: int
    parameters: int
    trained: int
    unused_tensors: int
    unused: int


METHODS = {
    'cleaners': Counts(1188, 39_042_799, 14_846_511, 108, 375_552),
    'ammnet': Counts(1537, 46_442_800, 22_246_512, 117, 378_816),
    'sketch': Counts(1294, 28_118_774, 28_118_774 - 23_631_808, 108, 95_616),
}


class Imported(NamedTuple):
    """A filled official checkpoint and what the importer made of it."""

    method: CheckpointMethod
    counts: Counts
    reference: dict[str, Tensor]
    state: dict[str, Tensor]
    report: ImportReport


@pytest.fixture(scope='module', params=METHODS)
def imported(request: pytest.FixtureRequest) -> Imported:
    method = get_method(request.param)
    reference = fill_checkpoint(DATA / request.param / 'manifest.csv', 3)
    state, report = import_state_dict(reference, method)
    return Imported(method, METHODS[request.param], reference, state, report)


def test_counts_are_those_of_the_authors(imported: Imported) -> None:
    _, counts, reference, _, report = imported
    assert len(reference) == counts.tensors and report.source_parameters == counts.parameters
    dropped = [key for key, _ in report.dropped if not key.endswith(STATISTICS)]
    assert len(dropped) == counts.unused_tensors
    assert sum(reference[key].numel() for key in dropped) == counts.unused
    assert report.result_parameters == counts.parameters - counts.unused
    # One reason: shortcuts that nothing uses.
    assert len({why for _, why in report.dropped}) == 1
    paths = {part for key in dropped for part in key.split('.') if part.startswith('downsample')}
    assert paths == {'downsample2', 'downsample3', 'downsample4'}


def test_built_model_takes_the_weights_and_learns_what_it_should(imported: Imported) -> None:
    method, counts, reference, state, _ = imported
    init_default_scope('mmssc')
    shapes = {key: tuple(value.shape) for key, value in reference.items()}
    model = MODELS.build(method.model_config(shapes))
    model.load_state_dict(state, strict=True)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert trained == counts.trained - counts.unused
    frozen = {name.split('.')[0] for name, p in model.named_parameters() if not p.requires_grad}
    assert frozen == {'backbone'}


def test_way_back_is_bit_exact(imported: Imported) -> None:
    back, _ = export_state_dict(imported.state, imported.method)
    dropped = {key for key, _ in imported.report.dropped}
    assert set(back) == set(imported.reference) - dropped
    assert all(torch.equal(back[key], imported.reference[key]) for key in back)
