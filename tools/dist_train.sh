#!/usr/bin/env bash
# Train with several processes, one per GPU (or, without a GPU, on the CPU with gloo):
#   bash tools/dist_train.sh CONFIG PROCESSES [arguments of tools/train.py]
# Several machines: set NNODES, NODE_RANK, MASTER_ADDR and PORT on each.
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: $0 CONFIG PROCESSES [arguments of tools/train.py]" >&2
    exit 2
fi
exec bash "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/misc/torchrun.sh" "$2" train.py "$1" "${@:3}"
