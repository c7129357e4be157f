#!/usr/bin/env bash
# Build the documentation site in an environment of its own, which the first call makes:
#   bash tools/build_docs.sh            a warning, a dead link or a missing heading is an error
#   bash tools/build_docs.sh --links    also ask every external address; needs a network
# PYTHON chooses the Python, 3.11 or newer (default: python3), MMSSC_DOCS_VENV the environment.
# Results, all in build/:
#   site/index.html      open it in a browser; it needs no server and no network
#   mmssc-docs.zip       the same pages
#   external_links.txt   every external address of the pages
set -euo pipefail
cd "$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")"
venv=${MMSSC_DOCS_VENV:-build/docs_venv}
python=$venv/bin/python

fail() {
    echo "build_docs.sh: $*" >&2
    exit 2
}

case "$*" in '' | --links) ;; *) fail "expected no argument or --links, found $*" ;; esac
if [ ! -x "$python" ]; then
    "${PYTHON:-python3}" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
        || fail 'Python 3.11 or newer is needed; set PYTHON=/path/to/it'
    "${PYTHON:-python3}" -m venv "$venv" || fail 'no venv module (Debian: python3-venv)'
fi
"$python" -m pip install -q -c requirements/constraints.txt -r requirements/docs.txt \
    || fail 'packages cannot be installed: is there a network connection?'

# Everything is read again: what Sphinx keeps would hide warnings of the last run.
build() {
    rm -rf build/doctrees "build/$1"
    "$python" -m sphinx -q -W --keep-going -c docs -d build/doctrees -b "$2" . "build/$1"
}

mkdir -p build
grep -rhoE 'https?://[^][ <>()`"|]+[^][ <>()`"|.,;:]' --include='*.md' \
    docs configs projects checkpoints ./*.md | sort -u >build/external_links.txt
build site html
"$python" -m zipfile -c build/mmssc-docs.zip build/site
if [ "$*" = --links ]; then
    build links linkcheck
fi
echo "$PWD/build/site/index.html"
