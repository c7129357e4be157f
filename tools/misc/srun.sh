#!/usr/bin/env bash
# Shared by slurm_train.sh and slurm_test.sh: srun.sh PARTITION JOB_NAME SCRIPT [arguments]
set -euo pipefail
tools=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
# shellcheck source=arguments.sh
. "$tools/misc/arguments.sh"
for name in GPUS GPUS_PER_NODE CPUS_PER_TASK; do
    value=${!name:-}
    [ -z "$value" ] || check_number "$name" "$value" 1 9999
done
gpus=${GPUS:-8}
per_node=${GPUS_PER_NODE:-8}
[ "$per_node" -le "$gpus" ] || per_node=$gpus
# SRUN_ARGS is split into words on purpose.
# shellcheck disable=SC2086
exec srun -p "$1" --job-name "$2" --gres "gpu:$per_node" --ntasks "$gpus" \
    --ntasks-per-node "$per_node" --cpus-per-task "${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 \
    ${SRUN_ARGS:-} "${PYTHON:-python}" -u "$tools/$3" "${@:4}" --launcher slurm
