#!/usr/bin/env bash
# Train on a Slurm cluster:
#   [GPUS=8] [GPUS_PER_NODE=8] [CPUS_PER_TASK=5] [SRUN_ARGS=...] \
#       bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG [arguments of tools/train.py]
set -euo pipefail
misc=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/misc
# shellcheck source=misc/arguments.sh
. "$misc/arguments.sh"
check_positional "$0 PARTITION JOB_NAME CONFIG [arguments of tools/train.py]" 3 "$@"
exec bash "$misc/srun.sh" "$1" "$2" train.py "${@:3}"
