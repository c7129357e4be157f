"""Read a pickle without importing or calling the names in it.

A pickle is a program for a small stack machine. Python's machine imports the names in the program
and calls them. This machine knows only the instructions that build plain values, and looks up names
in a table that the caller passes. Nothing is imported, no attribute is read or set, and the length
of the program and the size of its result have limits.
"""

from __future__ import annotations

import pickle
import pickletools
from collections.abc import Callable, Mapping
from typing import IO, Any

from .unknown_objects import ForbiddenContentError, UnknownFinder, UnknownObject

__all__ = ['Constructor', 'ForeignClass', 'RestrictedUnpickler', 'check_key']

# A checkpoint of two thousand parameters with its optimiser takes about half a million.
_MAX_INSTRUCTIONS = 5_000_000
# Containers and results of calls; such a checkpoint has about thirty thousand.
_MAX_OBJECTS = 500_000
_ELEMENT_SIZE = 64  # Bytes that an element of a container takes, roughly.
# Integers as keys can be chosen so that each search in a dict is long. Large ones can even share
# one hash, the remainder by 2**61 - 1.
_MAX_INTEGER_KEYS = 100_000
_MAX_KEY = 2**60

# Instructions whose argument is the value.
_VALUES = frozenset({
    'BININT', 'BININT1', 'BININT2', 'LONG1', 'BINFLOAT', 'BINSTRING', 'SHORT_BINSTRING',
    'BINUNICODE', 'SHORT_BINUNICODE', 'BINUNICODE8', 'BINBYTES', 'SHORT_BINBYTES', 'BINBYTES8',
})  # fmt: skip
_CONSTANTS: dict[str, Any] = {'NONE': None, 'NEWTRUE': True, 'NEWFALSE': False}
_CONTAINERS: dict[str, type] = {
    'EMPTY_DICT': dict, 'EMPTY_LIST': list, 'EMPTY_TUPLE': tuple, 'EMPTY_SET': set,
}  # fmt: skip
_TUPLES = {'TUPLE1': 1, 'TUPLE2': 2, 'TUPLE3': 3}


class Constructor:
    """A function that a pickle may call by name.

    Args:
        build: Called with the arguments in the pickle. It must check all of them.
        set_state: Called with a value that ``build`` returned and the state in the pickle, at most
            once for each value; None refuses a state.
    """

    def __init__(
        self, build: Callable[..., Any], set_state: Callable[[Any, Any], None] | None = None
    ) -> None:
        self.build, self.set_state = build, set_state


class ForeignClass(Constructor):
    """Stands for a class that is not imported.

    Its objects become dicts without their attributes; the class itself may be a key.

    Args:
        name: The class, with its module.
    """

    def __init__(self, name: str) -> None:
        super().__init__(self._new, self._ignore_state)
        self.name = name

    def __repr__(self) -> str:
        return f'<class {self.name}, not imported>'

    @staticmethod
    def _new(*arguments: Any) -> dict[Any, Any]:
        if arguments:
            raise ForbiddenContentError('an object of a foreign class with arguments')
        return {}

    @staticmethod
    def _ignore_state(target: Any, state: Any) -> None:
        """Leave out the attributes."""


class RestrictedUnpickler:
    """Interprets pickles of protocols 2 to 4.

    Args:
        names: ``'module.name'`` in the pickle -> a :class:`Constructor`, or a constant.
        load_persistent: Turns a persistent id (of a storage) into a value; None refuses them.
        max_copied: Limit of the total size of the arguments of all calls, in bytes. A call copies
            its argument, and a pickle can repeat a call with the same long argument.
        keep_unknown: Put an :class:`UnknownObject` where the pickle asks for another name, for
            what a :class:`Constructor` refuses to build, and for a key of another type. False
            refuses the pickle there.
    """

    def __init__(
        self,
        names: Mapping[str, Any],
        load_persistent: Callable[[Any], Any] | None = None,
        max_copied: int = 2**20,
        keep_unknown: bool = False,
    ) -> None:
        self._names, self._keep_unknown = names, keep_unknown
        self._finder = UnknownFinder()
        self._load_persistent = load_persistent
        self._copies_left = max_copied
        self._objects = self._integer_keys = 0
        self._reset()

    def _reset(self) -> None:
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # The stacks under each mark.
        self._memo: dict[int, Any] = {}
        # Values that may still get a state, by id. Holding the value keeps its id unique.
        self._stateful: dict[int, tuple[Any, Callable[[Any, Any], None]]] = {}

    def load(self, file: IO[bytes]) -> Any:
        """Read one pickle from the current position of the file, and stop after it.

        Raises:
            ForbiddenContentError: The pickle asks for something that plain values do not need.
            pickle.UnpicklingError: It is damaged.
        """
        self._reset()
        try:
            for number, (opcode, argument, _) in enumerate(pickletools.genops(file)):
                if number >= _MAX_INSTRUCTIONS:
                    raise ForbiddenContentError(f'a pickle of more than {_MAX_INSTRUCTIONS} steps')
                self._run(opcode.name, argument)
            (result,) = self._stack
            return result
        except pickle.UnpicklingError:
            raise
        # Errors of a damaged program: an empty stack, a missing entry, wrong arguments.
        except (
            ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError,
            MemoryError,
        ) as error:  # fmt: skip
            reason = f'{type(error).__name__}: {error}'
            raise pickle.UnpicklingError(f'a damaged pickle ({reason})') from error
        finally:
            self._reset()

    def _run(self, name: str, argument: Any) -> None:
        if name in _VALUES:
            self._stack.append(argument)
        elif name in ('BINPUT', 'LONG_BINPUT'):
            self._memo[argument] = self._stack[-1]
        elif name in ('BINGET', 'LONG_BINGET'):
            self._stack.append(self._memo[argument])
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _CONTAINERS:
            self._count_object()
            self._stack.append(_CONTAINERS[name]())
        elif name in _TUPLES:
            count = _TUPLES[name]
            self._stack[-count:] = [tuple(self._stack[-count:])]
        else:
            instruction = _INSTRUCTIONS.get(name)
            if instruction is None:
                raise ForbiddenContentError(f'the instruction {name}')
            instruction(self, argument)

    def _count_object(self) -> None:
        self._objects += 1
        if self._objects > _MAX_OBJECTS:
            raise ForbiddenContentError(f'a pickle of more than {_MAX_OBJECTS} objects')

    def _mark(self, _: None) -> None:
        self._below.append(self._stack)
        self._stack = []

    def _pop_to_mark(self) -> list[Any]:
        items = self._stack
        self._stack = self._below.pop()
        return items

    def _memoize(self, _: None) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _tuple(self, _: None) -> None:
        items = self._pop_to_mark()
        self._stack.append(tuple(items))

    def _append(self, _: None) -> None:
        item = self._stack.pop()
        self._extend([item])

    def _appends(self, _: None) -> None:
        items = self._pop_to_mark()
        self._extend(items)

    def _extend(self, items: list[Any]) -> None:
        self._target(list).extend(items)

    def _add_items(self, _: None) -> None:
        items = self._pop_to_mark()
        self._target(set).update(self._counted_key(item) for item in items)

    def _target(self, kind: type) -> Any:
        target = self._stack[-1]
        if isinstance(target, UnknownObject):
            return kind()  # It forgets the elements.
        if type(target) is not kind:
            found = type(target).__name__
            raise ForbiddenContentError(f'elements that are added to a value of type {found}')
        return target

    def _set_item(self, _: None) -> None:
        key, value = self._stack[-2:]
        del self._stack[-2:]
        self._update([key, value])

    def _set_items(self, _: None) -> None:
        items = self._pop_to_mark()
        self._update(items)

    def _update(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, UnknownObject):
            return
        if not isinstance(target, dict):
            kind = type(target).__name__
            raise ForbiddenContentError(f'keys that are set in a value of type {kind}')
        if len(items) % 2:
            raise pickle.UnpicklingError('a key without a value')
        for key, value in zip(items[::2], items[1::2]):
            target[self._counted_key(key)] = value

    def _counted_key(self, key: Any) -> Any:
        self._integer_keys += isinstance(key, int)
        if self._integer_keys > _MAX_INTEGER_KEYS:
            raise ForbiddenContentError(f'more than {_MAX_INTEGER_KEYS} integers as keys')
        if isinstance(key, UnknownObject):
            return key
        try:
            return check_key(key)
        except ForbiddenContentError as error:
            return self._unknown(error.found)

    def _unknown(self, found: str) -> UnknownObject:
        if not self._keep_unknown:
            raise ForbiddenContentError(found)
        self._count_object()
        return self._finder.make(found)

    def _global(self, names: str) -> None:
        module, _, name = names.partition(' ')
        self._push_named(module, name)

    def _stack_global(self, _: None) -> None:
        module, name = self._stack[-2:]
        del self._stack[-2:]
        self._push_named(module, name)

    def _push_named(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str:
            raise pickle.UnpicklingError('a name that is not text')
        full_name = f'{module}.{name}'
        known = full_name in self._names
        self._stack.append(self._names[full_name] if known else self._unknown(full_name))

    def _call(self, _: None) -> None:
        arguments = self._stack.pop()
        constructor = self._stack.pop()
        unknown = self._finder.first_in(constructor) or self._finder.first_in(arguments)
        if unknown is not None:
            self._stack.append(unknown)
            return
        if not isinstance(constructor, Constructor) or type(arguments) is not tuple:
            kind = type(constructor).__name__
            raise ForbiddenContentError(f'a call of a value of type {kind}')
        self._count_object()
        self._count_copies(arguments)
        try:
            value = constructor.build(*arguments)
        except ForbiddenContentError as error:
            self._stack.append(self._unknown(error.found))
            return
        if constructor.set_state is not None:
            self._stateful[id(value)] = (value, constructor.set_state)
        self._stack.append(value)

    def _count_copies(self, values: tuple[Any, ...]) -> None:
        for value in values:
            if isinstance(value, (str, bytes)):
                self._copies_left -= len(value)
            elif isinstance(value, (tuple, list, dict)):
                self._copies_left -= _ELEMENT_SIZE * len(value)
        if self._copies_left < 0:
            raise ForbiddenContentError('values that are together much larger than the file')

    def _build(self, _: None) -> None:
        state = self._stack.pop()
        value = self._stack[-1]
        unknown = self._finder.first_in(value) or self._finder.first_in(state)
        if unknown is not None:
            self._stack[-1] = unknown
            return
        if id(value) not in self._stateful:
            raise ForbiddenContentError(f'a state for a value of type {type(value).__name__}')
        _, set_state = self._stateful.pop(id(value))
        self._count_copies(state if type(state) is tuple else (state,))
        set_state(value, state)

    def _persistent(self, _: None) -> None:
        if self._load_persistent is None:
            raise ForbiddenContentError('a reference to data outside')
        identifier = self._stack.pop()
        unknown = self._finder.first_in(identifier)
        self._stack.append(unknown or self._load_persistent(identifier))

    def _ignore(self, _: Any) -> None:
        """Ignore instructions that only help a reader (protocol, frame lengths) or end the loop."""


_INSTRUCTIONS: dict[str, Callable[[RestrictedUnpickler, Any], None]] = {
    'PROTO': RestrictedUnpickler._ignore,
    'FRAME': RestrictedUnpickler._ignore,
    'STOP': RestrictedUnpickler._ignore,
    'MARK': RestrictedUnpickler._mark,
    'MEMOIZE': RestrictedUnpickler._memoize,
    'TUPLE': RestrictedUnpickler._tuple,
    'APPEND': RestrictedUnpickler._append,
    'APPENDS': RestrictedUnpickler._appends,
    'ADDITEMS': RestrictedUnpickler._add_items,
    'SETITEM': RestrictedUnpickler._set_item,
    'SETITEMS': RestrictedUnpickler._set_items,
    'GLOBAL': RestrictedUnpickler._global,
    'STACK_GLOBAL': RestrictedUnpickler._stack_global,
    'REDUCE': RestrictedUnpickler._call,
    'NEWOBJ': RestrictedUnpickler._call,
    'BUILD': RestrictedUnpickler._build,
    'BINPERSID': RestrictedUnpickler._persistent,
}


def check_key(key: Any) -> Any:
    """Return the key if it is text, a bool, None, a foreign class or an integer below 2**60.

    The hash of other keys can take very long, or be the same for many of them.

    Raises:
        ForbiddenContentError: It is of another type, or too large.
    """
    if key is None or isinstance(key, (str, bool, ForeignClass)):
        return key
    if not isinstance(key, int):
        raise ForbiddenContentError(f'a key of type {type(key).__name__}')
    if abs(key) >= _MAX_KEY:
        raise ForbiddenContentError('an integer of more than 18 digits as a key')
    return key
