#!/usr/bin/env bash
# Make an environment with mmdetection3d, which needs NumPy 1 (3 GB, some minutes), and train the
# configs of docs/en/user_guides/other_mm_projects.md in it:
#   bash tools/misc/check_mm_projects.sh [arguments of pytest]
# Settings, as environment variables:
#   PYTHON           the Python to use, e.g. python3.11 (default: python)
#   MMSSC_VENV       folder of the environment (default: .venv-mmdet3d in the repository)
#   TORCH_INDEX_URL  package index of torch (default: the CPU builds)
set -euo pipefail
root=$(dirname "$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")")
venv=${MMSSC_VENV:-$root/.venv-mmdet3d}
cd "$root"
if [ ! -e "$venv/mmssc-installed" ]; then
    "${PYTHON:-python}" -m venv "$venv"
    read -ra index <<<"$(bash tools/misc/torch_index.sh "$venv/bin/python")"
    # Of the known-good versions only torch: the others are for NumPy 2.
    grep '^torch' requirements/constraints.txt >"$venv/torch.txt"
    "$venv/bin/python" -m pip install -q ${index[@]+"${index[@]}"} -r "$venv/torch.txt" \
        -e '.[lite,mmdet3d]' pytest
    # A server has no libGL, which opencv-python needs.
    "$venv/bin/python" -c 'import cv2' 2>/dev/null || "$venv/bin/python" -m pip install -q \
        --force-reinstall --no-deps 'opencv-python-headless<4.12'
    touch "$venv/mmssc-installed"
fi
exec "$venv/bin/python" -m pytest -m '' tests/test_tools/test_other_projects.py "$@"
