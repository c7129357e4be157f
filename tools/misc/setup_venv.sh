#!/usr/bin/env bash
# Make (or complete) the virtual environment .venv with mmssc and its pinned dependencies:
#   bash tools/misc/setup_venv.sh [EXTRAS]        EXTRAS: e.g. tests or tests,sparse (default: tests);
#                                                 '' for none. Extras of earlier calls are kept.
# Settings, as environment variables:
#   PYTHON           the Python to use (default: the first of 3.11, 3.12, 3.13, 3.10, 3.9)
#   MMSSC_VENV       folder of the environment (default: .venv in the repository)
#   TORCH_INDEX_URL  package index of torch, e.g. https://download.pytorch.org/whl/cu126
#                    (default: the CPU builds)
set -euo pipefail
tools=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
root=$(dirname "$tools")
venv=${MMSSC_VENV:-$root/.venv}
extras=${1-tests}

fail() {
    echo "setup_venv.sh: $*" >&2
    exit 1
}

case $extras in
    -*) fail "bash tools/misc/setup_venv.sh [EXTRAS], e.g. tests or tests,sparse" ;;
esac

# All extras of this call and of earlier ones, sorted.
extras=$(printf '%s,%s' "$extras" "$(cat "$venv/mmssc-extras" 2>/dev/null || true)" \
    | tr ',' '\n' | sed '/^$/d' | sort -u | paste -sd, -)

in_range() {
    "$1" -c 'import sys; sys.exit(not (3, 9) <= sys.version_info[:2] < (3, 14))' 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        "$PYTHON" -c '' 2>/dev/null || fail "PYTHON=$PYTHON does not run"
        in_range "$PYTHON" || fail "PYTHON=$PYTHON is $("$PYTHON" -V 2>&1); 3.9 to 3.13 is needed"
        echo "$PYTHON"
        return
    fi
    local candidate
    for candidate in python3.11 python3.12 python3.13 python3.10 python3.9 python3 python; do
        if command -v "$candidate" >/dev/null && in_range "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "no Python 3.9 to 3.13 found ($(python3 -V 2>&1)); install one and set PYTHON=/path/to/it"
}

install_packages() {
    local python=$venv/bin/python constraints=$root/requirements/constraints.txt index=()
    read -ra index <<<"$(bash "$root/tools/misc/torch_index.sh" "$python")"
    "$python" -m pip install -q --upgrade pip 'setuptools<81' wheel \
        || fail 'pip cannot download packages: is there a network connection (or a proxy to set)?'
    # mmcv-lite and the full mmcv are one folder: an environment with the full one keeps it.
    local parts=$extras
    "$python" -m pip show -q mmcv 2>/dev/null || parts=lite${extras:+,$extras}
    # Modules are compiled when they are first imported: most of them never are.
    "$python" -m pip install -q --no-compile ${index[@]+"${index[@]}"} -c "$constraints" \
        -e "$root${parts:+[$parts]}" \
        || fail 'the installation failed, see above. Without a network nothing can be downloaded'
    # The requirements of the projects are for their tests; without what they in turn ask for, which
    # may not fit (geffnet asks for a torchvision that it does not use).
    if [[ ,$extras, == *,tests,* ]]; then
        "$python" -m pip install -q --no-deps -r "$root/projects/monoscene/requirements.txt" \
            || fail 'a requirement of a project could not be installed'
    fi
    # opencv-python needs the libGL of a desktop; on a server the headless build takes its place.
    if ! "$python" -c 'import cv2' 2>/dev/null; then
        "$python" -m pip install -q --force-reinstall --no-deps -c "$constraints" \
            opencv-python-headless || fail 'opencv-python-headless could not be installed'
    fi
}

# Describes what is installed; the environment is installed again only if this changes.
stamp() {
    cat "$root"/setup.py "$root"/requirements/*.txt "$root"/projects/*/requirements.txt \
        "$root/mmssc/version.py"
    echo "$extras $root ${TORCH_INDEX_URL:-}"
}

if [ ! -x "$venv/bin/python" ] || ! in_range "$venv/bin/python"; then
    python=$(find_python)
    echo "Making $venv with $("$python" -V 2>&1)"
    "$python" -m venv --clear "$venv" || fail "$python has no venv module (Debian: python3-venv)"
fi
if [ "$(stamp)" != "$(cat "$venv/mmssc-stamp" 2>/dev/null || true)" ]; then
    echo "Installing mmssc${extras:+[$extras]} into $venv (a few minutes)"
    install_packages
    # It imports what most commands import. What Python compiles for it is kept, also where
    # PYTHONDONTWRITEBYTECODE is set: otherwise every command compiles 1,400 modules again (3 s).
    env -u PYTHONDONTWRITEBYTECODE "$venv/bin/python" -W ignore "$root/tools/misc/check_env.py"
    echo "$extras" >"$venv/mmssc-extras"
    stamp >"$venv/mmssc-stamp"
fi
