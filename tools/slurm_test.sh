#!/usr/bin/env bash
# Test on a Slurm cluster:
#   [GPUS=8] [GPUS_PER_NODE=8] [CPUS_PER_TASK=5] [SRUN_ARGS=...] \
#       bash tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of tools/test.py]
set -euo pipefail
misc=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/misc
# shellcheck source=misc/arguments.sh
. "$misc/arguments.sh"
check_positional "$0 PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of tools/test.py]" 4 "$@"
exec bash "$misc/srun.sh" "$1" "$2" test.py "${@:3}"
