"""Import and export of state dicts, strict in both directions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mmssc.errors import DataError

from .key_map import TRANSFORMS, CheckpointMethod, JoinRule, Rule

__all__ = ['ImportReport', 'export_state_dict', 'import_state_dict']

StateDict = dict[str, Tensor]
_BUFFERS = ('running_mean', 'running_var', 'num_batches_tracked')


@dataclass
class ImportReport:
    """What happened to every key.

    Attributes:
        renamed: (key before, key after), kept names excluded.
        kept: Keys with the same name on both sides.
        transformed: (key after, name of the transform).
        dropped: (reference key, reason), tensors that mmssc does not have.
        missing: (module path of the reference, reason), missing in an exported file.
        filled: Our keys that are missing in the reference and were set to zero.
        remarks: Further remarks of the method about the source.
        source_parameters: Number of parameters of the source, without statistics of normalisation.
        result_parameters: The same of the result.
    """

    renamed: list[tuple[str, str]] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    transformed: list[tuple[str, str]] = field(default_factory=list)
    dropped: list[tuple[str, str]] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)
    filled: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    source_parameters: int = 0
    result_parameters: int = 0

    def add(self, before: str, after: str, transform: str | None) -> None:
        """Note one moved tensor."""
        if before == after:
            self.kept.append(before)
        else:
            self.renamed.append((before, after))
        if transform:
            self.transformed.append((after, transform))

    def summary(self, verbose: bool = False) -> str:
        """Readable text: counts, the dropped tensors by reason; every key if ``verbose``."""
        lines = [
            f'parameters: {self.source_parameters:,} in the source, '
            f'{self.result_parameters:,} in the result',
            f'tensors: {len(self.kept)} kept, {len(self.renamed)} renamed, '
            f'{len(self.transformed)} of them in another layout, {len(self.dropped)} dropped, '
            f'{len(self.filled)} filled with zeros',
            *self.remarks,
        ]
        for kind, entries in (('dropped', self.dropped), ('missing in the result', self.missing)):
            for reason in dict.fromkeys(reason for _, reason in entries):
                lines.append(f'{kind} ({reason}):')
                lines += [f'  {key}' for key, why in entries if why == reason]
        if verbose:
            lines += [f'renamed  {before} -> {after}' for before, after in self.renamed]
            lines += [f'{name}  {key}' for key, name in self.transformed]
            lines += [f'filled  {key}' for key in self.filled]
        return '\n'.join(lines)


def import_state_dict(
    reference: Mapping[str, Tensor],
    method: CheckpointMethod,
    expected: Mapping[str, Tensor] | None = None,
    source: str = 'checkpoint',
) -> tuple[StateDict, ImportReport]:
    """Rename and convert a reference state dict to ours.

    Args:
        reference: State dict with the reference's keys.
        method: The method's tables.
        expected: State dict of the target model; None builds the model from the shapes of
            ``reference``.
        source: Name of the file, for errors.

    Returns:
        The state dict, in the order of ``expected``, and the report.

    Raises:
        DataError: A key is unknown or missing, or a shape or the number of classes is different.
    """
    report = ImportReport()
    if method.select is not None:
        reference, report.dropped = method.select(reference)
    report.source_parameters = _count(reference)
    moved = _move_all(reference, method, report, source)
    if expected is None:
        expected = _infer_expected(reference, method, source)
    _check_classes(reference, method, expected, source)
    state = _check_against(moved, expected, method, report, source)
    if method.describe is not None:
        report.remarks = method.describe(reference)
    report.result_parameters = _count(state)
    return state, report


def export_state_dict(
    state: Mapping[str, Tensor], method: CheckpointMethod, source: str = 'checkpoint'
) -> tuple[StateDict, ImportReport]:
    """Give one of our state dicts the reference's keys.

    mmssc does not have the tensors that the reference stores but never uses: the report lists their
    modules as missing, and the reference must load the result with ``strict=False``.

    Raises:
        DataError: A key does not belong to the model of the method.
    """
    report = ImportReport(source_parameters=_count(state))
    result: StateDict = {}
    unknown = []
    for key, value in state.items():
        for rule in method.rules:
            tensors = rule.export(key, value)
            if tensors is not None:
                break
        else:
            unknown.append(key)
            continue
        for name in tensors:
            report.add(key, name, rule.transform)
        result.update(tensors)
    if unknown:
        expected = f'an mmssc checkpoint of {method.name}'
        raise DataError(source, 'keys', expected, _list('unknown', unknown))
    report.missing = list(method.dropped.items())
    report.result_parameters = _count(result)
    return result, report


def _move_all(
    reference: Mapping[str, Tensor], method: CheckpointMethod, report: ImportReport, source: str
) -> StateDict:
    """All tensors that mmssc has, with our keys and layouts."""
    moved: StateDict = {}
    unknown = []
    for key, value in reference.items():
        reason = method.drop_reason(key)
        if reason is not None:
            report.dropped.append((key, reason))
            continue
        target = _to_ours(key, method)
        if target is None:
            unknown.append(key)
            continue
        name, rule = target
        report.add(key, name, rule.transform)
        if isinstance(rule, JoinRule):
            if name not in moved:
                moved[name] = _join(rule, reference, name, source)
        elif rule.transform:
            moved[name] = _transform(rule.transform, value, key, source)
        else:
            moved[name] = value
    if unknown:
        hint = None if moved else 'A checkpoint of mmssc needs no import; --export converts it back'
        found = _list('unknown', unknown)
        raise DataError(source, 'keys', f'a checkpoint of {method.name}', found, hint)
    return moved


def _transform(name: str, value: Tensor, key: str, source: str) -> Tensor:
    try:
        return TRANSFORMS[name][0](value).contiguous()
    except (IndexError, RuntimeError) as error:
        expected = f'a tensor that {name!r} can turn'
        raise DataError(source, f'shape of {key}', expected, tuple(value.shape)) from error


def _join(rule: JoinRule, reference: Mapping[str, Tensor], name: str, source: str) -> Tensor:
    try:
        return rule.join(reference, name)
    except KeyError as error:
        expected = ' and '.join(rule.parts_of(name) or ())
        raise DataError(source, 'keys', expected, f'no {error.args[0]}') from error


def _to_ours(key: str, method: CheckpointMethod) -> tuple[str, Rule] | None:
    for rule in method.rules:
        name = rule.to_ours(key)
        if name is not None:
            return name, rule
    return None


def _infer_expected(
    reference: Mapping[str, Tensor], method: CheckpointMethod, source: str
) -> dict[str, Tensor]:
    from mmssc.registry import MODELS

    shapes = {key: tuple(value.shape) for key, value in reference.items()}
    try:
        classes = shapes[method.class_keys[0]][0] if method.class_keys else None
        config = method.model_config(shapes)
    except (KeyError, IndexError) as error:
        hint = 'It is not a complete checkpoint of this method'
        raise DataError(source, 'keys', f'a checkpoint of {method.name}', error, hint) from error
    if method.class_keys and classes not in method.datasets:
        known = ' or '.join(f'{count} ({name})' for count, name in method.datasets.items())
        hint = 'Give the config of the model (--config) for a data set of your own'
        raise DataError(source, 'number of classes', known, classes, hint)
    return MODELS.build(config).state_dict()


def _check_classes(
    reference: Mapping[str, Tensor],
    method: CheckpointMethod,
    expected: Mapping[str, Tensor],
    source: str,
) -> None:
    for key in method.class_keys:
        target = _to_ours(key, method)
        if key not in reference or target is None or target[0] not in expected:
            continue  # reported as missing with its name
        wanted, found = len(expected[target[0]]), len(reference[key])
        if wanted != found:
            raise DataError(
                source,
                'number of classes',
                f'{wanted} (the model)',
                f'{found} (rows of {key})',
                'Use the config of the data set that the checkpoint was trained on',
            )


def _check_against(
    moved: StateDict,
    expected: Mapping[str, Tensor],
    method: CheckpointMethod,
    report: ImportReport,
    source: str,
) -> StateDict:
    """Check that keys and shapes are exactly the expected ones; return the model's order."""
    for key, value in expected.items():
        if key not in moved and key.endswith(method.optional_suffixes):
            moved[key] = torch.zeros_like(value)
            report.filled.append(key)
    names = {after: before for before, after in report.renamed}
    missing = [key for key in expected if key not in moved]
    surplus = [names.get(key, key) for key in moved if key not in expected]
    if missing or surplus:
        found = '; '.join(
            _list(kind, keys)
            for kind, keys in (('missing', missing), ('not in the model', surplus))
            if keys
        )
        raise DataError(source, 'keys', f'exactly those of the {method.name} model', found)
    for key, value in expected.items():
        if moved[key].shape != value.shape:
            field_name = f'shape of {names.get(key, key)}'
            raise DataError(source, field_name, tuple(value.shape), tuple(moved[key].shape))
    return {key: moved[key] for key in expected}


def _list(kind: str, keys: list[str], limit: int = 8) -> str:
    more = f' and {len(keys) - limit} more' if len(keys) > limit else ''
    return f'{len(keys)} {kind}: {", ".join(keys[:limit])}{more}'


def _count(state: Mapping[str, Tensor]) -> int:
    return sum(value.numel() for key, value in state.items() if not key.endswith(_BUFFERS))
