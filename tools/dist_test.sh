#!/usr/bin/env bash
# Test with several processes, one per GPU (or, without a GPU, on the CPU with gloo):
#   bash tools/dist_test.sh CONFIG CHECKPOINT PROCESSES [arguments of tools/test.py]
# Several machines: set NNODES, NODE_RANK, MASTER_ADDR and PORT on each.
set -euo pipefail
if [ $# -lt 3 ]; then
    echo "usage: $0 CONFIG CHECKPOINT PROCESSES [arguments of tools/test.py]" >&2
    exit 2
fi
exec bash "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/misc/torchrun.sh" "$3" test.py "$1" "$2" "${@:4}"
