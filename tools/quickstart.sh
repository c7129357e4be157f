#!/usr/bin/env bash
# From a fresh clone to a trained network: its own environment, synthetic driving scenes, training,
# testing, pictures, and a check that the network learned. You can run it again; it needs no data
# and no GPU.
#   bash tools/quickstart.sh
# PYTHON chooses the Python, see tools/misc/setup_venv.sh. Data are written to data/synthetic,
# results to work_dirs/quickstart in the repository.
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
bash "$root/tools/misc/setup_venv.sh" ''
python=${MMSSC_VENV:-$root/.venv}/bin/python
cd "$root"
data=data/synthetic
work=work_dirs/quickstart
config=configs/quickstart/sgn_synthetic.py
grid=(--grid-shape 64 64 8 --voxel-size 0.8)

step() {
    echo
    echo "== $* =="
}

step 'Generating driving scenes (about a minute)'
"$python" tools/dataset_converters/make_synthetic.py --out "$data" "${grid[@]}" \
    --sequences 00 01 02 03 04 08 --frames 25 --frame-step 3 --label-step 1 --workers 2
step 'Preparing labels, depth, pseudo-lidar and info files'
"$python" tools/dataset_converters/semantic_kitti.py "$data" "${grid[@]}" --workers 2

step 'Scoring the untrained network'
"$python" tools/test.py "$config" untrained --work-dir "$work" \
    --out "$work/untrained.json" --overwrite
step 'Training (three to four minutes; an interrupted run continues)'
# The operators are small: more than two threads only wait for one another.
OMP_NUM_THREADS=${OMP_NUM_THREADS:-2} "$python" tools/train.py "$config" --work-dir "$work" --resume
step 'Testing on a sequence that was not trained on, and drawing every prediction'
# Those of an earlier release are not in the folder's list of own files: test.py would refuse them.
rm -rf "$work/pictures"
"$python" tools/test.py "$config" "$(cat "$work/last_checkpoint")" --work-dir "$work" \
    --out "$work/figures.json" --show-dir "$work/pictures" --overwrite
step 'Did it learn? Comparing with the untrained network and two geometric baselines'
"$python" tools/analysis_tools/geometric_baselines.py "$config" \
    --figures "$work/figures.json" --untrained "$work/untrained.json"

echo
echo 'Done. Results:'
echo "  $root/$work/pictures         input, prediction and ground truth of every test frame"
echo "  $root/$work/figures.json     IoU, mIoU and every class (printed above)"
echo "  $(cat "$work/last_checkpoint")    the weights"
echo "  $root/$data                  the scenes, in the layout of SemanticKITTI"
