#!/usr/bin/env bash
# Test with several processes, one per GPU (or, without a GPU, on the CPU with gloo):
#   bash tools/dist_test.sh CONFIG CHECKPOINT PROCESSES [arguments of tools/test.py]
# Several machines: set NNODES, NODE_RANK, MASTER_ADDR and PORT on each.
set -euo pipefail
misc=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/misc
# shellcheck source=misc/arguments.sh
. "$misc/arguments.sh"
check_positional "$0 CONFIG CHECKPOINT PROCESSES [arguments of tools/test.py]" 3 "$@"
exec bash "$misc/torchrun.sh" "$3" test.py "$1" "$2" "${@:4}"
