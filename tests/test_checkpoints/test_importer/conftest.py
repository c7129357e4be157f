"""A filled official checkpoint, and what the importer makes of it.

For modules with ``MANIFEST``, keys and shapes of the checkpoint, and ``METHOD``, its importer.
"""

from __future__ import annotations

import pytest
from torch import Tensor

from mmssc.checkpoints import ImportReport, import_state_dict
from mmssc.parity.recipe import fill_checkpoint


@pytest.fixture(scope='module')
def reference(request: pytest.FixtureRequest) -> dict[str, Tensor]:
    """Tensors filled by seed, under the authors' names."""
    return fill_checkpoint(request.module.MANIFEST, 3)


@pytest.fixture(scope='module')
def imported(
    request: pytest.FixtureRequest, reference: dict[str, Tensor]
) -> tuple[dict[str, Tensor], ImportReport]:
    """Our state dict and the report."""
    return import_state_dict(reference, request.module.METHOD)
