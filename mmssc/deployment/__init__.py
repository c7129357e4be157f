"""Models as files that run without mmssc: ONNX and ``torch.export``."""

from .agreement import TOLERANCE, check_agreement, measure_seconds
from .exported_files import FORMATS, open_network, serialize
from .network import check_exportable, describe_network, trace_network
from .network_inputs import capture_inputs, config_inputs, used_inputs

__all__ = [
    'FORMATS', 'TOLERANCE', 'capture_inputs', 'check_agreement', 'check_exportable',
    'config_inputs', 'describe_network', 'measure_seconds', 'open_network', 'serialize',
    'trace_network', 'used_inputs',
]  # fmt: skip
