"""Official checkpoints of CleanerS: joined tensors, prefixes, both networks in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mmssc.checkpoints import get_method, import_state_dict, read_state_dict
from mmssc.checkpoints.importer.cleaners import select_network
from mmssc.checkpoints.importer.key_map import JoinRule
from mmssc.errors import DataError

MANIFEST = Path(__file__).parents[2] / 'data/parity/cleaners/manifest.csv'
METHOD = get_method('cleaners')


def test_queries_keys_and_values_are_stacked(reference, imported) -> None:
    state, _ = imported
    found = state['backbone.encoder.layers.2.1.4.attn.attn.in_proj_weight']
    stem = 'encoder.block3.4.attn'
    assert torch.equal(found[:320], reference[f'{stem}.q.weight'])
    assert torch.equal(found[320:], reference[f'{stem}.kv.weight'])


def test_a_lost_half_is_named(reference) -> None:
    state = {k: v for k, v in reference.items() if k != 'encoder.block1.0.attn.kv.bias'}
    with pytest.raises(DataError, match=r'no encoder\.block1\.0\.attn\.kv\.bias'):
        import_state_dict(state, METHOD)


@pytest.mark.parametrize('prefix', ['module.', 'student.', 'module.student.', 'student.module.'])
def test_prefixes_of_training_scripts(prefix: str) -> None:
    found, left = select_network({f'{prefix}a.b': torch.ones(1)}, 'student')
    assert list(found) == ['a.b'] and not left


def test_teacher_and_student_in_one_file(reference, imported) -> None:
    both = {f'module.student.{key}': value for key, value in reference.items()}
    both.update({f'module.teacher.{key}': value + 1 for key, value in reference.items()})
    state, report = import_state_dict(both, METHOD)
    assert all(torch.equal(state[key], value) for key, value in imported[0].items())
    assert report.source_parameters == 39_042_799
    others = [key for key, why in report.dropped if 'method cleaners-teacher' in why]
    assert len(others) == 1188
    teacher, report = import_state_dict(both, get_method('cleaners-teacher'))
    key = 'head.classifier.conv.bias'
    assert torch.equal(teacher[key], state[key] + 1)
    assert 'of the student, method cleaners' in report.summary()


def test_a_file_of_the_teacher_alone() -> None:
    for prefix in ('', 'student.', 'teacher.'):
        found, left = select_network({f'{prefix}a': torch.ones(1)}, 'teacher')
        assert list(found) == ['a'] and not left


def test_the_same_tensor_twice_is_refused() -> None:
    twice = {'student.a': torch.ones(1), 'module.student.a': torch.zeros(1)}
    with pytest.raises(DataError, match='every tensor of the student once'):
        select_network(twice, 'student')


def test_authors_file_layout_is_read(tmp_path: Path) -> None:
    content = {
        'model': {'module.a': torch.ones(2)},
        'optimizer': {'state': {}},
        'epoch': 7,
        'best_val': np.float64(47.7),
    }
    torch.save(content, tmp_path / 'official.pth')
    assert list(read_state_dict(tmp_path / 'official.pth')) == ['a']


def test_join_rule_is_checked() -> None:
    with pytest.raises(ValueError, match='2 parts and 1 shares'):
        JoinRule(('a.q', 'a.kv'), 'a.qkv', (1,))
    with pytest.raises(ValueError, match=r'number of \*'):
        JoinRule(('*.q', 'a.kv'), '*.qkv', (1, 2))
