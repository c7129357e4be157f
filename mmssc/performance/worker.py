"""One process of a comparison: ``python worker.py JOB.pt`` measures one version of mmssc.

It imports mmssc from the folder of the job, which may hold an older version. So it uses only names
that mmssc has had since its first release. :mod:`mmssc.performance.comparison` writes the job.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import torch

STATUS = Path('/proc/self/status')


def prepare_like_a_command(folder: Path) -> None:
    """Change the process as a command of this version does; the oldest versions change nothing."""
    # Not a failed import: an editable install would find the module of another version.
    if (folder / 'mmssc/command_line.py').is_file():
        import_module('mmssc.command_line').prepare_process()


def build_sample(plain: dict[str, Any]) -> Any:
    """The data sample of plain values, see ``plain_sample`` of the comparison."""
    structures = import_module('mmssc.structures')
    meta = {
        key: value.numpy() if isinstance(value, torch.Tensor) else value
        for key, value in plain['metainfo'].items()
    }
    meta['voxel_grid'] = structures.VoxelGrid.build(meta['voxel_grid'])
    sample = structures.SSCDataSample(metainfo=meta)
    sample.set_data(plain['data'])
    return sample


def read_batch(plain: list[dict[str, Any]]) -> dict[str, Any]:
    """A batch as mmengine's ``pseudo_collate`` makes it."""
    return dict(
        inputs={key: [one['inputs'][key] for one in plain] for key in plain[0]['inputs']},
        data_samples=[build_sample(one) for one in plain],
    )


def share_weights(model: torch.nn.Module, path: Path) -> None:
    """Load the weights that the first process of the comparison has written, or write them.

    Another version may call modules by other names: weights whose names only one version has are
    taken in the order of the network.

    Raises:
        ValueError: Their shapes differ.
    """
    own = model.state_dict()
    if not path.exists():
        torch.save(own, path)
        return
    given = torch.load(path, weights_only=True)
    new = [name for name in own if name not in given]
    old = [name for name in given if name not in own]
    if [own[name].shape for name in new] != [given[name].shape for name in old]:
        raise ValueError(f'weights of other names and shapes: {new[:3]} here, {old[:3]} there')
    for name, old_name in zip(new, old):
        given[name] = given.pop(old_name)
    model.load_state_dict(given)


class Clock:
    """CPU seconds, wall time and peak memory of the measured runs.

    Args:
        device: The device of the model. On a GPU, the peak is that since the clock was made.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.cpu_seconds: list[float] = []
        self.wall_seconds: list[float] = []
        if device.type == 'cuda':
            torch.cuda.reset_peak_memory_stats(device)

    @contextmanager
    def measure(self) -> Iterator[None]:
        """Measure the body of ``with``."""
        self._wait()
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self._wait()
        self.cpu_seconds.append(time.process_time() - cpu)
        self.wall_seconds.append(time.perf_counter() - wall)

    def forget(self) -> None:
        """Delete the times so far (the warm-up)."""
        self.cpu_seconds.clear()
        self.wall_seconds.clear()

    def figures(self) -> dict[str, Any]:
        """The measurements; ``peak_mib`` of the whole process, or of its memory on the GPU."""
        return dict(
            cpu_seconds=self.cpu_seconds, wall_seconds=self.wall_seconds, peak_mib=self._peak()
        )

    def _wait(self) -> None:
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)

    def _peak(self) -> float | None:
        if self.device.type == 'cuda':
            return torch.cuda.max_memory_allocated(self.device) / 2**20
        if not STATUS.exists():
            return None
        lines = STATUS.read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith('VmHWM:'))


def count_multiply_adds(run: Callable[[], object]) -> int:
    """The multiply-adds of a call, as the version that compares counts them.

    Other versions count fewer operators, or none. So ``figures.py`` beside this file is used.
    """
    spec = spec_from_file_location('figures_of_comparison', Path(__file__).with_name('figures.py'))
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.count(run).multiply_adds


def repeat(run: Callable[[int], Any], clock: Clock, job: dict[str, Any]) -> Any:
    """Run ``run(number)`` several times and measure all but the ``warmup`` first runs of the job.

    The figures go into the job; the first run of the warm-up counts the multiply-adds.

    Returns:
        What the first run has returned.
    """
    outputs, multiply_adds = [], None

    def keep_output() -> None:
        outputs.append(run(0))

    if job['warmup']:
        multiply_adds = count_multiply_adds(keep_output)
    for number in range(len(outputs), job['warmup'] + job['iters']):
        if number == job['warmup']:
            clock.forget()
        with clock.measure():
            output = run(number)
        if number == 0:
            outputs.append(output)
        del output  # It would count in the peak of the next run.
    job['figures'] = dict(clock.figures(), multiply_adds=multiply_adds)
    return outputs[0]


def predict(model: Any, batch: dict, job: dict[str, Any], clock: Clock) -> dict[str, Any]:
    """Measure predictions; returns the outputs that the versions must agree on."""
    model.eval()
    device, amp = clock.device.type, job['amp']

    def run(number: int) -> Any:
        return model(**model.data_preprocessor(batch, False), mode='predict')

    with torch.no_grad(), torch.autocast(device, torch.bfloat16, enabled=amp):
        samples = repeat(run, clock, job)
        # These tensors are not part of a prediction.
        tensors = model(**model.data_preprocessor(batch, False), mode='tensor')
    outputs = {key: value for key, value in tensors.items() if isinstance(value, torch.Tensor)}
    labels = torch.stack([sample.pred_voxels for sample in samples])
    return dict(outputs, pred_voxels=labels)


def train(model: Any, batch: dict, job: dict[str, Any], clock: Clock, cfg: Any) -> dict[str, Any]:
    """Measure training steps; returns the losses of the first one."""
    if job['amp']:
        import_module('mmssc.engine.launch').enable_amp(cfg)
    optim_wrapper = import_module('mmengine.optim').build_optim_wrapper(model, cfg.optim_wrapper)
    model.train()

    def run(number: int) -> Any:
        torch.manual_seed(number)
        return model.train_step(batch, optim_wrapper)

    losses = repeat(run, clock, job)
    return {key: torch.as_tensor(value) for key, value in losses.items()}


def main(path: str) -> None:
    """Do the job: write figures and outputs to its files."""
    job = torch.load(path, weights_only=True)
    # Python has put the folder of this file there.
    sys.path[0] = job['folder']
    prepare_like_a_command(Path(job['folder']))
    torch.set_num_threads(job['threads'])
    cfg = import_module('mmssc.apis.model_loading').read_config(job['config'], job['cfg_options'])
    device = torch.device(job['device'])
    torch.manual_seed(0)
    model = import_module('mmssc.registry').MODELS.build(cfg.model)
    share_weights(model, Path(job['weights']))
    model.to(device)
    batch, clock = read_batch(job['samples']), Clock(device)
    if job['run'] == 'inference':
        outputs = predict(model, batch, job, clock)
    else:
        outputs = train(model, batch, job, clock, cfg)
    torch.save({key: value.detach().cpu() for key, value in outputs.items()}, job['outputs'])
    source = Path(import_module('mmssc').__file__ or '').parents[1]
    Path(job['out']).write_text(json.dumps(dict(job['figures'], folder=str(source))))


if __name__ == '__main__':
    main(sys.argv[1])
