#!/usr/bin/env bash
# Prepare or check a data set with a Slurm job array, one job per share of the frames:
#   [CPUS_PER_TASK=8] [SBATCH_ARGS=...] \
#       bash tools/slurm_prepare.sh PARTITION JOB_NAME SHARDS SCRIPT [arguments of SCRIPT]
# SCRIPT: dataset_converters/semantic_kitti.py, sscbench_kitti360.py, nyu.py or own_rgbd.py (then a
# last job makes what is missing and writes the info lists), or misc/check_dataset.py.
set -euo pipefail
tools=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source=misc/arguments.sh
. "$tools/misc/arguments.sh"
check_positional "$0 PARTITION JOB_NAME SHARDS SCRIPT [arguments of SCRIPT]" 4 "$@"
check_number SHARDS "$3" 1 100000
check_number CPUS_PER_TASK "${CPUS_PER_TASK:-8}" 1 9999
script=${4#tools/}
[ -f "$tools/$script" ] || fail "error: SCRIPT: expected a script of tools/, found '$4'"
shards=$((10#$3))

# Slurm copies this environment and the current folder.
command=$(printf '%q ' "${PYTHON:-python}" -u "$tools/$script" "${@:5}")
submit() {  # submit NAME SHELL_COMMAND [options of sbatch]
    # SBATCH_ARGS is split into words on purpose.
    # shellcheck disable=SC2086
    sbatch --parsable --partition "$partition" --job-name "$1" \
        --cpus-per-task "${CPUS_PER_TASK:-8}" ${SBATCH_ARGS:-} "${@:3}" --wrap "$2"
}
partition=$1
# Slurm sets the variable in each job of the array.
# shellcheck disable=SC2016
array=$(submit "$2" "$command"'--shard "$SLURM_ARRAY_TASK_ID"'"/$shards" --array "1-$shards")
array=${array%%;*}  # JOB;CLUSTER
echo "job array $array: $shards shards"
case $script in
    dataset_converters/*)
        # Also after shards that have failed: it makes their frames, or says what is wrong.
        last=$(submit "$2-lists" "$command" --dependency "afterany:$array")
        echo "job ${last%%;*}: what is missing, and the info lists"
        ;;
esac
