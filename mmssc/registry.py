"""Registries of mmssc, children of mmengine's.

Each has ``locations``, so ``dict(type='mmssc.FLoSP')`` works in the config of another mm project
without an import line.
"""

from mmengine.registry import DATA_SAMPLERS as MMENGINE_DATA_SAMPLERS
from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import EVALUATOR as MMENGINE_EVALUATOR
from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import INFERENCERS as MMENGINE_INFERENCERS
from mmengine.registry import LOG_PROCESSORS as MMENGINE_LOG_PROCESSORS
from mmengine.registry import LOOPS as MMENGINE_LOOPS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODEL_WRAPPERS as MMENGINE_MODEL_WRAPPERS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS as MMENGINE_OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.registry import OPTIM_WRAPPERS as MMENGINE_OPTIM_WRAPPERS
from mmengine.registry import OPTIMIZERS as MMENGINE_OPTIMIZERS
from mmengine.registry import PARAM_SCHEDULERS as MMENGINE_PARAM_SCHEDULERS
from mmengine.registry import RUNNER_CONSTRUCTORS as MMENGINE_RUNNER_CONSTRUCTORS
from mmengine.registry import RUNNERS as MMENGINE_RUNNERS
from mmengine.registry import TASK_UTILS as MMENGINE_TASK_UTILS
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS
from mmengine.registry import VISBACKENDS as MMENGINE_VISBACKENDS
from mmengine.registry import VISUALIZERS as MMENGINE_VISUALIZERS
from mmengine.registry import WEIGHT_INITIALIZERS as MMENGINE_WEIGHT_INITIALIZERS
from mmengine.registry import Registry

from mmssc.renamed import RenamingRegistry

__all__ = [
    'DATASETS', 'DATA_SAMPLERS', 'EVALUATOR', 'HOOKS', 'INFERENCERS', 'LOG_PROCESSORS', 'LOOPS',
    'METRICS', 'MODELS', 'MODEL_WRAPPERS', 'OPTIMIZERS', 'OPTIM_WRAPPERS',
    'OPTIM_WRAPPER_CONSTRUCTORS', 'PARAM_SCHEDULERS', 'RUNNERS', 'RUNNER_CONSTRUCTORS',
    'TASK_UTILS', 'TRANSFORMS', 'VISBACKENDS', 'VISUALIZERS', 'WEIGHT_INITIALIZERS',
]  # fmt: skip


def _child(parent: Registry, location: str) -> Registry:
    return RenamingRegistry(parent.name, parent=parent, scope='mmssc', locations=[location])


DATASETS = _child(MMENGINE_DATASETS, 'mmssc.datasets')
DATA_SAMPLERS = _child(MMENGINE_DATA_SAMPLERS, 'mmssc.datasets')
TRANSFORMS = _child(MMENGINE_TRANSFORMS, 'mmssc.datasets.transforms')
MODELS = _child(MMENGINE_MODELS, 'mmssc.models')
MODEL_WRAPPERS = _child(MMENGINE_MODEL_WRAPPERS, 'mmssc.models')
TASK_UTILS = _child(MMENGINE_TASK_UTILS, 'mmssc.models')
METRICS = _child(MMENGINE_METRICS, 'mmssc.evaluation')
EVALUATOR = _child(MMENGINE_EVALUATOR, 'mmssc.evaluation')
HOOKS = _child(MMENGINE_HOOKS, 'mmssc.engine')
LOOPS = _child(MMENGINE_LOOPS, 'mmssc.engine')
OPTIM_WRAPPERS = _child(MMENGINE_OPTIM_WRAPPERS, 'mmssc.engine')
OPTIM_WRAPPER_CONSTRUCTORS = _child(MMENGINE_OPTIM_WRAPPER_CONSTRUCTORS, 'mmssc.engine')
PARAM_SCHEDULERS = _child(MMENGINE_PARAM_SCHEDULERS, 'mmssc.engine')
VISUALIZERS = _child(MMENGINE_VISUALIZERS, 'mmssc.visualization.ssc_visualizer')
VISBACKENDS = _child(MMENGINE_VISBACKENDS, 'mmssc.visualization')
INFERENCERS = _child(MMENGINE_INFERENCERS, 'mmssc.apis.building')
LOG_PROCESSORS = _child(MMENGINE_LOG_PROCESSORS, 'mmssc.engine')
OPTIMIZERS = _child(MMENGINE_OPTIMIZERS, 'mmssc.engine')
RUNNERS = _child(MMENGINE_RUNNERS, 'mmssc.engine')
RUNNER_CONSTRUCTORS = _child(MMENGINE_RUNNER_CONSTRUCTORS, 'mmssc.engine')
WEIGHT_INITIALIZERS = _child(MMENGINE_WEIGHT_INITIALIZERS, 'mmssc.models')
