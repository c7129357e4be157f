"""Check that a checkpoint fits a model; mmengine's loader skips weights that do not fit.

Older checkpoints may have other names for the same weights.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from mmssc.errors import DataError

__all__ = [
    'check_classes', 'check_num_classes', 'check_some_weights', 'check_weights', 'rename_weights',
]  # fmt: skip

_SHOWN_KEYS = 5
_LONGEST_NAME = 100
# A checkpoint with a smaller share of fitting weights is of another model: some fit by chance.
_SMALLEST_SHARE = 0.1
# Counters of batch normalisation, which predictions do not use.
_COUNTER = 'num_batches_tracked'


def check_weights(state: Mapping[str, Tensor], model: nn.Module, checkpoint: str) -> None:
    """Refuse weights that are not exactly those of a model.

    Args:
        state: Name -> tensor. Counters of batch normalisation, which predictions do not use, may be
            missing. ``spare_weights`` of a completor are allowed in addition, and so are old names
            (``renamed_weights``).
        model: The model, not wrapped.
        checkpoint: Where the weights come from, for the message.

    Raises:
        DataError: A tensor is missing, not in the model, has another shape, or holds NaN or
            infinity, or whole numbers where the model has others; or a value is not a tensor.
    """
    state, expected = dict(state), model.state_dict()
    rename_weights(state, getattr(model, 'renamed_weights', {}))
    missing = [key for key in expected if key not in state and not key.endswith(_COUNTER)]
    spare = tuple(getattr(model, 'spare_weights', ()))
    surplus = [key for key in state if key not in expected and not key.startswith(spare)]
    if missing or surplus:
        found = f'{_listing("missing", missing)}; {_listing("not in the model", surplus)}'
        raise DataError(
            checkpoint, 'weights', f'those of {type(model).__name__} of this config', found,
            _remedy(model),
        )  # fmt: skip
    for key, value in state.items():
        if not isinstance(value, Tensor):
            raise DataError(checkpoint, key, 'a tensor', f'a value of type {type(value).__name__}')
        if key in expected and value.shape != expected[key].shape:
            raise DataError(
                checkpoint, f'shape of {key}', tuple(expected[key].shape), tuple(value.shape),
                'Use the config that the checkpoint was trained with (number of classes, widths)',
            )  # fmt: skip
        if key in expected and expected[key].is_floating_point() > value.is_floating_point():
            kind, hint = 'whole', 'Give the weights before they were quantised'
            if value.is_complex():
                kind, hint = 'complex', 'Give the checkpoint of a model of this config'
            raise DataError(
                checkpoint, key, 'floating-point numbers', f'{kind} numbers ({value.dtype})', hint,
            )  # fmt: skip
        # Infinity is right where the model itself has it, e.g. in a buffer with a mask. Types of
        # 8 bits have no isfinite(); loading converts them, too.
        if (
            key in expected
            and not value.to(expected[key].dtype).isfinite().all()
            and expected[key].isfinite().all()
        ):
            raise DataError(
                checkpoint, key, 'finite numbers', 'NaN or infinity',
                'The training diverged before it was saved: use an earlier checkpoint',
            )  # fmt: skip


def check_some_weights(
    state: Mapping[str, Any], model: nn.Module, checkpoint: str
) -> tuple[int, int]:
    """Refuse weights of which (nearly) none fit a model. For fine-tuning, a part is enough.

    Args:
        state: Name -> tensor, as for :func:`check_weights`.
        model: The model, not wrapped.
        checkpoint: Where the weights come from, for the message.

    Returns:
        Number of weights that fit, and number of weights of the model, without counters.

    Raises:
        DataError: Less than a tenth of the checkpoint fits, and of the model.
    """
    state = dict(state)
    rename_weights(state, getattr(model, 'renamed_weights', {}))
    expected = {
        key: value.shape for key, value in model.state_dict().items() if not key.endswith(_COUNTER)
    }
    found = [key for key in state if not key.endswith(_COUNTER)]
    fitting = [
        key
        for key in found
        if isinstance(state[key], Tensor) and state[key].shape == expected.get(key)
    ]
    if not fitting or len(fitting) < _SMALLEST_SHARE * min(len(found), len(expected)):
        others = [key for key in found if key not in fitting]
        raise DataError(
            checkpoint, 'weights', f'those of {type(model).__name__} of this config, or a part',
            f'{len(fitting)} that fit; {_listing("others", others)}', _remedy(model),
        )  # fmt: skip
    return len(fitting), len(expected)


def rename_weights(
    state: MutableMapping[str, Any], renamed: Mapping[str, str], prefix: str = ''
) -> None:
    """Rename the weights of an older checkpoint to their new names, in place.

    Args:
        state: Name -> tensor.
        renamed: Start of an old name -> start of the new name, with the dot.
        prefix: Common prefix of both names.
    """
    for old, new in renamed.items():
        for key in [key for key in state if key.startswith(prefix + old)]:
            state[f'{prefix}{new}{key[len(prefix + old) :]}'] = state.pop(key)


def check_classes(
    trained: Mapping[str, Any], dataset_meta: Mapping[str, Any], checkpoint: str
) -> None:
    """Refuse a checkpoint whose training data had other classes.

    Args:
        trained: ``meta['dataset_meta']`` of the checkpoint; empty if it has none: no check.
        dataset_meta: Metainfo of the data set.
        checkpoint: Where the weights come from, for the message.

    Raises:
        DataError: The names differ.
    """
    found, expected = trained.get('classes'), dataset_meta.get('classes')
    if not (found is None or isinstance(found, (list, tuple))):
        kind = f'a value of type {type(found).__name__}'
        raise DataError(checkpoint, 'classes', 'a list of names', kind)
    if found is not None and tuple(found) != tuple(expected or ()):
        raise DataError(
            checkpoint, 'classes', f'{_class_names(expected or ())} (of the config)',
            _class_names(found), 'Use the config that the checkpoint was trained with',
        )  # fmt: skip


def _class_names(names: Sequence[Any]) -> str:
    return f'{len(names)} classes: {", ".join(map(str, names))}'


def check_no_empty_weights(model: nn.Module) -> None:
    """Refuse a model with weights without elements: a size in its config is 0.

    Args:
        model: The model, not wrapped.

    Raises:
        DataError: A weight has no element; torch would leave such a layer out without a word.
    """
    for name, weight in model.named_parameters():
        if not is_lazy(weight) and not weight.numel():
            found = f'shape {tuple(weight.shape)}'
            raise DataError('config', f'model.{name}', 'weights', found, 'A size of this part is 0')


def check_num_classes(
    model: nn.Module, dataset_meta: Mapping[str, Any], source: str = 'data set'
) -> None:
    """Refuse a model that predicts another number of classes than the data set has.

    Args:
        model: The model, not wrapped. It is not checked if neither it nor its ``head`` has
            ``num_classes``.
        dataset_meta: Metainfo of the data set; without ``classes`` it is not checked.
        source: Where the data set is in the config, for the message.

    Raises:
        DataError: The numbers differ.
    """
    head = getattr(model, 'head', None)
    predicted = getattr(model, 'num_classes', getattr(head, 'num_classes', None))
    classes = dataset_meta.get('classes')
    if isinstance(predicted, int) and classes and predicted != len(classes):
        raise DataError(
            'config', 'number of classes', f'{len(classes)}, the classes of the {source}',
            f'{predicted}, num_classes of the head of the model',
            'Give the head num_classes of the data set, and its losses as many class weights',
        )  # fmt: skip


def _remedy(model: nn.Module) -> str:
    remedy = 'Use the config that the checkpoint was trained with'
    method = getattr(model, 'official_method', '')
    if method:
        remedy += (
            '; if it is a checkpoint of the authors, import it first: '
            f'python tools/model_converters/import_checkpoint.py {method} SRC DST'
        )
    return remedy


def _listing(kind: str, keys: list[str]) -> str:
    dots = ', ...' if len(keys) > _SHOWN_KEYS else ''
    names = ', '.join(_short(key) for key in keys[:_SHOWN_KEYS])
    return f'{len(keys)} {kind}' + (f': {names}{dots}' if keys else '')


def _short(name: str) -> str:
    """A name from a file; of a long one, its start and end."""
    half = _LONGEST_NAME // 2
    return name if len(name) <= _LONGEST_NAME else f'{name[:half]}...{name[-half:]}'
