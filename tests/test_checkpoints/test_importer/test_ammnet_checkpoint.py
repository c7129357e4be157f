"""Official checkpoints of AMMNet: names, old names, files of the generator alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mmssc.checkpoints import get_method, import_state_dict, read_state_dict
from mmssc.errors import DataError

MANIFEST = Path(__file__).parents[2] / 'data/parity/ammnet/manifest.csv'
METHOD = get_method('ammnet')
BLOCKS = {
    *(f'TSDFNet.completion_layer{stage}.{block}' for stage in (1, 2) for block in (1, 2, 3)),
    *(f'complete.semantic_layer{stage}.{block}' for stage in (1, 2) for block in (1, 2, 3)),
    'disc.layer4',
}


def test_unused_shortcuts_are_those_of_the_blocks_without_stride(imported) -> None:
    _, report = imported
    assert {key.partition('.downsample')[0] for key, _ in report.dropped} == BLOCKS


def test_every_part_is_where_it_belongs(reference, imported) -> None:
    state, _ = imported
    for ours, theirs in (
        ('head.modulations.1.scale.weight', 'complete.pre_layer_R21.weight'),
        ('head.modulations.2.shift.bias', 'complete.pre_layer_R32.bias'),
        ('head.down_scale.1.0.conv5.weight', 'complete.DownScale.1.conv5.weight'),
        ('head.down_scale.2.norm.running_var', 'complete.DownScale.3.running_var'),
        ('head.up_scale.conv.weight', 'complete.UpScale.0.weight'),
        ('discriminator.blocks.2.downsample4.1.weight', 'disc.layer3.downsample4.1.weight'),
        ('discriminator.classifier.weight', 'disc.logit.weight'),
    ):
        assert torch.equal(state[ours], reference[theirs]), ours


def test_older_names_of_released_weights(reference, imported) -> None:
    old = {'complete.DownScale.': 'complete.tsdf_net.', 'complete.UpScale.': 'complete.tsdf_net2.'}
    renamed = {}
    for key, value in reference.items():
        for new, name in old.items():
            key = key.replace(new, name)
        renamed[key] = value
    assert renamed.keys() != reference.keys()
    state, _ = import_state_dict(renamed, METHOD)
    assert all(torch.equal(state[name], value) for name, value in imported[0].items())


def test_a_file_without_discriminator(reference, imported) -> None:
    generator = {key: value for key, value in reference.items() if not key.startswith('disc.')}
    state, report = import_state_dict(generator, METHOD)
    expected = {name for name in imported[0] if not name.startswith('discriminator.')}
    assert set(state) == expected and report.result_parameters == 46_063_984 - 1_310_337
    # Half a discriminator is no file of this network.
    del (half := dict(reference))['disc.linear.bias']
    with pytest.raises(DataError, match=r'missing: discriminator\.linear\.bias'):
        import_state_dict(half, METHOD)


def test_files_of_the_training_script(reference, tmp_path) -> None:
    few = {f'module.{key}': reference[key] for key in list(reference)[:3]}
    best = np.float64(48.5)
    torch.save(dict(model=few, optimizer={}, scheduler={}, epoch=3, best_val=best), tmp_path / 'a')
    assert list(read_state_dict(tmp_path / 'a')) == list(reference)[:3]


def test_a_missing_modulation_is_named(reference) -> None:
    broken = {k: v for k, v in reference.items() if k != 'complete.pre_layer_R12.bias'}
    with pytest.raises(DataError, match=r'missing: head\.modulations\.0\.shift\.bias'):
        import_state_dict(broken, METHOD)
