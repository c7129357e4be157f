"""The call trees in the docstrings of the base completors are what happens."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from mmengine.registry import init_default_scope
from tiny_rgbd import tiny_ammnet, tiny_batch, tiny_network
from tiny_sketch import tiny_sketch
from torch import nn

from mmssc.models.completors import BaseCompletor, RGBDCompletor
from mmssc.registry import MODELS


def call_tree(cls: type) -> dict[str, list[str]]:
    """Caller -> what it calls, from the block ``.. code:: text`` of a docstring."""
    text = inspect.getdoc(cls).split('.. code:: text\n\n')[1].split('\n\n')[0]
    lines = re.sub(r'\n\s+->', ' ->', text).splitlines()
    pairs = (re.fullmatch(r' *(\S+\)): +(.*)', line).groups() for line in lines)
    return {caller.removesuffix('()'): re.findall(r'[\w.]+', calls) for caller, calls in pairs}


def record_calls(model: RGBDCompletor) -> dict[str, list[str]]:
    """Wrap public methods and parts of a model; the result fills with caller -> calls, in order."""
    methods = {**vars(BaseCompletor), **vars(RGBDCompletor)}
    names = [name for name, value in methods.items() if inspect.isfunction(value)]
    names = [name for name in names if not name.startswith('_')]
    names += [name for name, _ in model.named_children()] + ['image_head.classify']
    calls: dict[str, list[str]] = {}
    stack: list[str] = []

    def recorded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            label = f"forward(mode='{kwargs['mode']}')" if name == 'forward' else name
            if stack:
                calls[stack[-1]].append(label)
            stack.append(label)
            calls.setdefault(label, [])
            try:
                return function(*args, **kwargs)
            finally:
                stack.pop()

        return run

    for name in names:
        path, _, method = name.rpartition('.')
        owner = model.get_submodule(path)
        if isinstance(getattr(owner, method), nn.Module):
            owner, method = getattr(owner, method), 'forward'
        setattr(owner, method, recorded(name, getattr(owner, method)))
    return calls


def build(config: dict[str, Any]) -> nn.Module:
    init_default_scope('mmssc')
    torch.manual_seed(0)
    return MODELS.build(config).train()


@pytest.mark.parametrize('mode', ['loss', 'predict', 'tensor'])
def test_trees_are_what_happens(mode: str) -> None:
    tree = {**call_tree(BaseCompletor), **call_tree(RGBDCompletor)}
    assert len(tree) == 12
    model, (inputs, samples) = build(tiny_network()), tiny_batch(1)
    calls = record_calls(model)
    model(inputs, samples, mode=mode)
    assert f"forward(mode='{mode}')" in calls and 'complete' in calls
    # What is not in the tree calls none of these.
    assert calls == {caller: tree.get(caller, []) for caller in calls}


@pytest.mark.parametrize('config', [tiny_ammnet(), tiny_network(type='mmssc.CleanerS'),
                                    tiny_sketch()])  # fmt: skip
def test_children_have_the_forward_network_of_the_base(config: dict[str, Any]) -> None:
    model = build(config)
    assert isinstance(model, RGBDCompletor)
    found = inspect.signature(type(model).forward_network)
    assert found == inspect.signature(RGBDCompletor.forward_network)
    assert list(found.parameters) == ['self', 'inputs', 'change']
