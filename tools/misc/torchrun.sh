#!/usr/bin/env bash
# Shared by dist_train.sh and dist_test.sh: torchrun.sh PROCESSES SCRIPT [arguments of SCRIPT]
set -euo pipefail
tools=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
# shellcheck source=arguments.sh
. "$tools/misc/arguments.sh"
case $1 in
    auto | cpu | gpu | xpu) ;;  # torchrun counts them.
    *) check_number PROCESSES "$1" 1 1024 ;;
esac
if [ "${NNODES:-1}" = 1 ] && [ -z "${PORT:-}" ]; then
    rendezvous=(--standalone)  # One machine: torchrun picks a free port.
else
    check_number NNODES "${NNODES:-1}" 1 9999
    check_number NODE_RANK "${NODE_RANK:-0}" 0 $((10#${NNODES:-1} - 1))
    check_number PORT "${PORT:-29500}" 0 65535
    rendezvous=(--nnodes "${NNODES:-1}" --node_rank "${NODE_RANK:-0}"
        --master_addr "${MASTER_ADDR:-127.0.0.1}" --master_port "${PORT:-29500}")
fi
exec "${PYTHON:-python}" "$tools/misc/torchrun.py" "${rendezvous[@]}" --nproc_per_node "$1" \
    "$tools/$2" "${@:3}" --launcher pytorch
