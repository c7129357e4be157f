#!/usr/bin/env bash
# Print the option of pip for the package index of torch: torch_index.sh PYTHON
# TORCH_INDEX_URL chooses it, e.g. https://download.pytorch.org/whl/cu126. Without it, the CPU builds:
# they are 0.2 GB, while the default ones of PyPI bring 3 GB of CUDA.
set -euo pipefail
url=${TORCH_INDEX_URL:-https://download.pytorch.org/whl/cpu}
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
if [ -n "${TORCH_INDEX_URL:-}" ] || "$1" "$here/reachable.py" "$url/torch/"; then
    echo "--extra-index-url $url"
fi
