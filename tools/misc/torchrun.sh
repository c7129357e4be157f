#!/usr/bin/env bash
# Shared by dist_train.sh and dist_test.sh: torchrun.sh PROCESSES SCRIPT [arguments of SCRIPT]
set -euo pipefail
tools=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
if [ "${NNODES:-1}" = 1 ] && [ -z "${PORT:-}" ]; then
    rendezvous=(--standalone)  # One machine: torchrun picks a free port.
else
    rendezvous=(--nnodes "${NNODES:-1}" --node_rank "${NODE_RANK:-0}"
        --master_addr "${MASTER_ADDR:-127.0.0.1}" --master_port "${PORT:-29500}")
fi
exec "${PYTHON:-python}" "$tools/misc/torchrun.py" "${rendezvous[@]}" --nproc_per_node "$1" \
    "$tools/$2" "${@:3}" --launcher pytorch
