#!/usr/bin/env bash
# Train with several processes, one per GPU (or, without a GPU, on the CPU with gloo):
#   bash tools/dist_train.sh CONFIG PROCESSES [arguments of tools/train.py]
# Several machines: set NNODES, NODE_RANK, MASTER_ADDR and PORT on each.
set -euo pipefail
misc=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/misc
# shellcheck source=misc/arguments.sh
. "$misc/arguments.sh"
check_positional "$0 CONFIG PROCESSES [arguments of tools/train.py]" 2 "$@"
exec bash "$misc/torchrun.sh" "$2" train.py "$1" "${@:3}"
