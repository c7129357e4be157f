"""AMMNet on two processes with a sample each equals one process with both."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.distributed as dist
from mmengine.registry import init_default_scope
from tiny_rgbd import tiny_ammnet, tiny_batch, tiny_optimisers
from torch import Tensor, multiprocessing, nn

from mmssc.engine.optim import AdversarialOptimWrapperConstructor
from mmssc.models.adversarial.distributed import AdversarialDistributedDataParallel
from mmssc.models.completors import AMMNet, ammnet
from mmssc.registry import MODELS

NORM = dict(type='mmssc.DistributedBN')


class TakeSamples(nn.Module):
    """In place of the data preprocessor: some samples of a prepared batch."""

    def __init__(self, indices: list[int]) -> None:
        super().__init__()
        self.indices = indices

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        return dict(
            inputs={key: value[self.indices] for key, value in data['inputs'].items()},
            data_samples=[data['data_samples'][index] for index in self.indices],
        )


def _build(indices: list[int]) -> AMMNet:
    """Without anything random."""
    init_default_scope('mmssc')
    torch.manual_seed(0)
    config = tiny_ammnet(augmentation=None)
    for part in ('image_head', 'tsdf_encoder', 'head', 'discriminator'):
        config[part] = dict(config[part], norm_cfg=NORM)
    config['backbone'] = dict(config['backbone'], drop_path_rate=0.0)
    model = MODELS.build(config).train()
    for module in model.modules():
        if isinstance(module, (nn.Dropout, nn.Dropout3d)):
            module.p = 0.0
    model.data_preprocessor = TakeSamples(indices)
    # In float32 a value may round to the other side of a ReLU, which moves gradients by a percent.
    return model.double()


def _shuffle(labels: Tensor, num_classes: int, generator: Any = None) -> Tensor:
    return torch.where(labels > 1, labels - 1, labels)


def _erase(occupied: Tensor, generator: Any = None) -> Tensor:
    gone = occupied.clone()
    gone[:, ::2] = False
    return gone


def _batch() -> dict[str, Any]:
    """Two samples with targets in common: the cross entropy weighs them alike."""
    inputs, samples = tiny_batch(2)
    inputs['voxel_to_pixel'][1] = inputs['voxel_to_pixel'][0]
    for name in ('img', 'tsdf'):
        inputs[name] = inputs[name].double()
    for name in ('gt_voxels', 'label_weight'):
        samples[1].set_data({name: samples[0].get(name)})
    return dict(inputs=inputs, data_samples=samples)


def _train(model: AMMNet, wrapped: nn.Module) -> dict[str, Any]:
    """Three iterations, the second of which only adds up gradients."""
    ammnet.shuffle_classes, ammnet.erase_voxels = _shuffle, _erase
    config = tiny_optimisers(
        optimizer=dict(type='SGD', lr=0.1), paramwise_cfg=None, accumulative_counts=2
    )
    optimisers = AdversarialOptimWrapperConstructor(config)(wrapped)
    optimisers.initialize_count_status(wrapped, 1, 4)
    logs = []
    for _ in range(3):
        log = wrapped.train_step(_batch(), optimisers)
        logs.append({name: float(value.detach()) for name, value in log.items()})
    return dict(logs=logs, state=model.state_dict())


def _run_process(rank: int, folder: str) -> None:
    init_method = f'file://{folder}/init'
    dist.init_process_group('gloo', init_method=init_method, rank=rank, world_size=2)
    torch.set_num_threads(1)
    model = _build([rank])
    torch.save(_train(model, AdversarialDistributedDataParallel(model)), f'{folder}/{rank}.pt')
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_equal_one_with_both_samples(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ('shuffle_classes', 'erase_voxels'):
        monkeypatch.setattr(ammnet, name, getattr(ammnet, name))  # Put back at the end.
    multiprocessing.spawn(_run_process, (str(tmp_path),), nprocs=2)
    model = _build([0, 1])
    start = {name: value.clone() for name, value in model.state_dict().items()}
    expected = _train(model, model)
    found = [torch.load(tmp_path / f'{rank}.pt', weights_only=True) for rank in (0, 1)]
    for one in found:
        assert one['logs'] == [pytest.approx(log, rel=1e-5) for log in expected['logs']]
        for name, value in expected['state'].items():
            if value.is_floating_point():
                moved = float((value - start[name]).norm())
                error = float((one['state'][name] - value).norm())
                assert error <= 1e-4 * moved + 1e-12, name
    assert all(
        torch.equal(found[0]['state'][name], value)
        for name, value in found[1]['state'].items()
        if name.endswith(('weight', 'bias'))
    )


def test_wrapper_leaves_the_model_as_it_is(tmp_path: Any) -> None:
    dist.init_process_group('gloo', init_method=f'file://{tmp_path}/init', rank=0, world_size=1)
    try:
        model = _build([0, 1])
        names = list(model.state_dict())
        wrapped = AdversarialDistributedDataParallel(model)
        assert wrapped.module is model and list(model.state_dict()) == names
        reduced = {
            name: {id(p) for p in modules.parameters() if p.requires_grad}
            for name, modules in wrapped.step_modules.items()
        }
        assert not reduced['generator'] & reduced['discriminator']
        learning = {id(p) for p in model.parameters() if p.requires_grad}
        assert reduced['generator'] | reduced['discriminator'] == learning
        assert not wrapped.eval().module.training and wrapped.train().module.head.training
        with wrapped.no_sync():
            assert not any(p.require_backward_grad_sync for p in wrapped.step_modules.values())
        assert all(p.require_backward_grad_sync for p in wrapped.step_modules.values())
    finally:
        dist.destroy_process_group()
