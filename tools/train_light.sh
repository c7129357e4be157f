#!/usr/bin/env bash
# Train the light completors on NYU, from the cache (tools/dataset_converters/nyu_cache.py) to the
# files to publish and their figures. Run it again after an interruption: it goes on. It repeats
# nothing that is finished; for other settings, give another OUT.
#   bash tools/train_light.sh CACHE OUT [--held-out] [KEY=VALUE ...]
# CACHE        folder of the cache
# OUT          folder for everything that is written; the results are OUT/NAME.pth and OUT/NAME.json
# --held-out   for choosing settings: train without the blocks of held-out training frames and score
#              these; without it, the test frames are scored, once for each model
# KEY=VALUE    further settings of all trainings and tests, as for --cfg-options
# PYTHON chooses the Python. A night on two CPU cores; see configs/light/README.md.
set -euo pipefail
tools=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source=misc/arguments.sh
. "$tools/misc/arguments.sh"
check_positional "$0 CACHE OUT [--held-out] [KEY=VALUE ...]" 2 "$@"
python=${PYTHON:-python}
out=$2
options=(train_dataloader.dataset.data_root="$1" val_dataloader.dataset.data_root="$1"
    test_dataloader.dataset.data_root="$1")
shift 2
if [ "${1:-}" = --held-out ]; then
    shift
    # As held_out_frames and kept_frames in configs/_base_/datasets/nyu_cache.py.
    blocks='n // 25 in (3, 11, 19, 27)'
    frames() { "$python" -c "print([n for n in range(795) if $1])" | tr -d ' '; }
    options+=(train_dataloader.dataset.indices="$(frames "not $blocks")"
        test_dataloader.dataset.indices="$(frames "$blocks")"
        test_dataloader.dataset.ann_file=nyu_infos_train.json)
fi
options+=("$@")

# train CONFIG FOLDER [KEY=VALUE ...]: the training in OUT/FOLDER, to its end.
train() {
    if [ -e "$out/$2/finished" ]; then
        echo "== $2: finished before"
        return
    fi
    echo "== $2"
    "$python" "$tools/train.py" "$1" --work-dir "$out/$2" --resume \
        --cfg-options "${options[@]}" "${@:3}"
    touch "$out/$2/finished"
}

# newest FOLDER: the last checkpoint of a training.
newest() {
    cat "$out/$1/last_checkpoint"
}

# publish CONFIG NAME: the weights of the training in OUT/NAME as OUT/NAME.pth, and their scores,
# averaged with the mirrored frame, moved by one voxel, as OUT/NAME.json.
publish() {
    if [ -e "$out/$2.json" ]; then
        echo "== $2: scored before, see $out/$2.json"
        return
    fi
    "$python" "$tools/model_converters/publish_checkpoint.py" "$(newest "$2")" "$out/$2.pth" \
        --half --overwrite
    "$python" "$tools/test.py" "$1" "$out/$2.pth" --work-dir "$out/$2" --out "$out/$2.json" \
        --overwrite --cfg-options "${options[@]}" \
        'model.test_cfg.flip_axes=(0,)' 'model.test_cfg.shift_axes=(0,2)'
}

taught=()
for seed in 1 2 3; do
    train light_seg-wide_nyu_mixed "teacher_$seed" randomness.seed=$seed
    taught+=("model.teachers.$((seed - 1)).checkpoint=$(newest "teacher_$seed")")
done
train light_seg-wide_nyu_distilled light_seg-wide_nyu "${taught[@]}"
publish light_seg-wide_nyu_distilled light_seg-wide_nyu
train light_depth_nyu_mixed light_depth_nyu_mixed
publish light_depth_nyu_mixed light_depth_nyu_mixed
