#!/usr/bin/env bash
# Check a release: build sdist and wheel of the last commit, install the wheel into an empty
# environment, use it by name from another folder, and uninstall it.
#   bash tools/misc/check_release.sh [FOLDER]     FOLDER: for sdist and wheel (default: dist)
# Settings, as environment variables:
#   PYTHON                 the Python to use (default: python)
#   MMSSC_SHARED_PACKAGES  1: take all other packages from the environment of PYTHON. Nothing is
#                          downloaded, and twine does not check the metadata.
#   TORCH_INDEX_URL        package index of torch (default: the CPU builds)
set -euo pipefail
root=$(dirname "$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")")
python=$(command -v "${PYTHON:-python}")
mkdir -p "${1:-dist}"
dist=$(readlink -f "${1:-dist}")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
source=$scratch/source venv=$scratch/venv constraints=$root/requirements/constraints.txt
# What this shell can import must not hide what is missing in the wheel.
unset PYTHONPATH

step() {
    echo
    echo "== $* =="
}

fail() {
    echo "check_release.sh: $*" >&2
    exit 1
}

step 'Building'
mkdir "$source"
git -C "$root" archive HEAD | tar -x -C "$source"
if [ "${MMSSC_SHARED_PACKAGES:-0}" = 1 ]; then
    "$python" -m pip wheel -q --no-deps --no-build-isolation -w "$dist" "$source"
else
    "$python" -m venv "$scratch/builder"
    "$scratch/builder/bin/python" -m pip install -q build twine
    # The wheel is built from the sdist.
    "$scratch/builder/bin/python" -m build --outdir "$dist" "$source"
    "$scratch/builder/bin/python" -m twine check --strict "$dist"/mmssc-*
fi
wheel=$(ls -t "$dist"/mmssc-*.whl | head -n 1)

step "Installing $wheel"
cd "$scratch"  # Away from the checkout.
if [ "${MMSSC_SHARED_PACKAGES:-0}" = 1 ]; then
    "$python" -m venv --without-pip "$venv"
    "$python" -m pip --python "$venv/bin/python" install -q --no-deps "$wheel"
    packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    echo "$packages" >"$(echo "$venv"/lib/python*/site-packages)/shared.pth"
else
    "$python" -m venv "$venv"
    read -ra index <<<"$(bash "$root/tools/misc/torch_index.sh" "$venv/bin/python")"
    "$venv/bin/python" -m pip install -q ${index[@]+"${index[@]}"} -c "$constraints" "$wheel[lite]"
    # A server has no libGL, which opencv-python needs.
    "$venv/bin/python" -c 'import cv2' 2>/dev/null || "$venv/bin/python" -m pip install -q \
        --force-reinstall --no-deps -c "$constraints" opencv-python-headless
    "$venv/bin/mmssc" env
fi
mmssc=$venv/bin/mmssc

step 'Names'
"$mmssc" info --list
"$mmssc" info light_depth_nyu | grep "^weights.*$venv" || fail 'the weights are not in the wheel'

step 'Training and testing by name, on synthetic rooms'
grid=(--grid-shape 20 12 20 --voxel-size 0.24 --image-size 120 160)
"$mmssc" prepare make_synthetic --layout nyu --out data/synthetic_nyu --frames 6 2 \
    --grid-shape 80 48 80 --voxel-size 0.06 --image-size 120 160
"$mmssc" prepare nyu data/synthetic_nyu "${grid[@]}"
small=(model.voxel_grid.shape=20,12,20 model.voxel_grid.voxel_size=0.24)
"$mmssc" train light_synthetic --cfg-options train_cfg.max_epochs=1 "${small[@]}"
"$mmssc" test light_synthetic work_dirs/light_synthetic/epoch_1.pth --out figures.json \
    --cfg-options "${small[@]}"

step 'Completing a depth image by name'
"$mmssc" infer light_depth_nyu --depth data/synthetic_nyu/NYUtest/NYU0002_0000.png \
    --depth-kind nyu --cam2img 129.7 129.9 81.4 63.4 --out predictions

step 'A config of another folder over one of the package'
mkdir mine
echo "_base_ = 'mmssc::sgn/sgn-T.py'" >mine/config.py
echo 'model = dict(head=dict(diffusion_depth=2))' >>mine/config.py
"$mmssc" tool misc/print_config mine/config.py | grep 'diffusion_depth=2' || fail 'not inherited'

step 'Uninstalling'
"$python" -m pip --python "$venv/bin/python" uninstall -q -y mmssc
left=$(find "$venv" -iname '*mmssc*')
[ -z "$left" ] || fail "left after uninstalling: $left"
echo
echo "The wheel works: $wheel"
