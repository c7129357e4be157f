#!/usr/bin/env bash
# Run the test suite in its own environment (made on the first call):
#   bash tools/run_tests.sh [arguments of pytest]      e.g. -m slow, or tests/test_geometry
# PYTHON chooses the Python, see tools/misc/setup_venv.sh.
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
bash "$root/tools/misc/setup_venv.sh" tests
cd "$root"
python=${MMSSC_VENV:-$root/.venv}/bin/python
# One thread each: the tests are small, and threads of several processes wait for one another.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
# The tests start hundreds of commands: modules are compiled once, not again by each command.
unset PYTHONDONTWRITEBYTECODE
cores=$("$python" tools/misc/cores.py)
workers=$((cores < 4 ? cores : 4))
exec "$python" -m pytest -n "$workers" --dist loadfile --no-loadscope-reorder "$@"
