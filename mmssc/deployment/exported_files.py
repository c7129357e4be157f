"""Exported networks as files, and how to run them."""

from __future__ import annotations

import importlib
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from mmssc.errors import DataError, MissingDependencyError
from mmssc.option_choices import EXPORT_FORMATS as FORMATS

from .network import OUTPUTS

__all__ = ['FORMATS', 'open_network', 'serialize']

#: File with the description in the archive of ``torch.export``.
_DESCRIPTION = 'mmssc.json'
# A message of Protocol Buffers cannot be longer, and an ONNX file is one.
_MAX_ONNX_BYTES = 2**31 - 1


def serialize(program: Any, format: str, description: Mapping[str, Any]) -> bytes:
    """The content of a file with a network and its description.

    Args:
        program: Of :func:`trace_network`.
        format: One of :data:`FORMATS`.
        description: Of :func:`describe_network`. In ONNX, every entry is one of the metadata, texts
            as they are and other values as JSON. In ``torch.export``, the extra file
            ``mmssc.json`` holds all.

    Raises:
        DataError: The network is too large for one ONNX file, or an operation has no ONNX form.
        MissingDependencyError: A package of the extra ``deploy`` is missing.
    """
    with _quiet():
        if format == 'torch-export':
            file = io.BytesIO()
            extra = {_DESCRIPTION: json.dumps(description)}
            torch.export.save(program, file, extra_files=extra)
            return file.getvalue()
        return _to_onnx(program, description)


def _to_onnx(program: Any, description: Mapping[str, Any]) -> bytes:
    for package in ('onnx', 'onnxscript', 'onnxruntime'):
        _need(package)
    try:
        exported: Any = torch.onnx.export(
            program,
            input_names=list(description['inputs']),
            output_names=list(OUTPUTS),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        model = exported.model_proto
    except torch.onnx.errors.OnnxExporterError as error:
        reason = str(error).strip().partition('\n')[0]
        expected = 'a network whose operations ONNX has'
        raise DataError('config', 'model', expected, reason, 'Try --format torch-export') from error
    if model.ByteSize() > _MAX_ONNX_BYTES:
        expected, found = 'weights below 2 GiB', f'{model.ByteSize() / 2**30:.1f} GiB'
        raise DataError('config', 'model', expected, found, 'Use --format torch-export')
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = 'batch'
    for key, entry in description.items():
        text = entry if isinstance(entry, str) else json.dumps(entry)
        model.metadata_props.add(key=key, value=text)
    return model.SerializeToString()


def open_network(
    content: bytes, format: str
) -> Callable[[Mapping[str, Tensor]], tuple[Tensor, Tensor]]:
    """Load the content of a file, to run it as a user does: ONNX with onnxruntime.

    It takes as many threads as PyTorch.

    Args:
        content: Of :func:`serialize`. Do not load a program of ``torch.export`` from strangers:
            PyTorch's reader unpickles parts of it.
        format: One of :data:`FORMATS`.

    Returns:
        Inputs -> logits and labels, see :func:`trace_network`.
    """
    if format == 'torch-export':
        program = torch.export.load(io.BytesIO(content)).module()
        return lambda inputs: program(dict(inputs))
    runtime = _need('onnxruntime')
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = runtime.InferenceSession(content, options, providers=['CPUExecutionProvider'])

    def run(inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        arrays = {key: value.numpy() for key, value in inputs.items()}
        logits, labels = session.run(list(OUTPUTS), arrays)
        return torch.from_numpy(logits), torch.from_numpy(labels)

    return run


def _need(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        hint = "pip install onnx onnxruntime onnxscript (the extra 'deploy')"
        raise MissingDependencyError(f'{package} is not installed: {hint}') from error


@contextmanager
def _quiet() -> Iterator[None]:
    """PyTorch's exporters log every step, and warn about packages that no network here needs."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.disable(before)
