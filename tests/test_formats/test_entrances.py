"""Files from outside have one entrance: mmssc/formats checks their kind and size first."""

from __future__ import annotations

import re
from pathlib import Path

from mmssc import formats

ROOT = Path(formats.__file__).parents[2]
#: What opens a file in another way.
OPENS = re.compile(
    r'(?<![\w.])open\(|\.open\(|\.read_text\(|\.read_bytes\(|np\.(load|fromfile|loadtxt|genfromtxt|'
    r'memmap)\(|ZipFile\(|is_zipfile\(|tarfile\.|gzip\.|torch\.load\(|jit\.load\(|pickle\.loads?\(|'
    r'Image\.open\(|imread\(|VideoCapture\(|yaml\.(safe_|full_|unsafe_)?load\(|json\.load\(|load_from_file\('
)
#: File -> number of such lines, and why none of them reads a file from outside unchecked.
ALLOWED = {
    'mmssc/command_line.py': (2, 'writes'),
    'mmssc/config_file.py': (2, 'the first bytes of a regular file; configs that were read'),
    'mmssc/evaluation/submission.py': (1, 'writes'),
    'mmssc/datasets/label_rules.py': (1, 'a hint'),
    'mmssc/compat/config_texts.py': (
        1,
        'mmengine opens configs, checked before, without their mark',
    ),
    'mmssc/fileio.py': (4, 'writes; its own notes, up to a size'),
    'mmssc/formats/images.py': (3, 'content that was read, or an open regular file'),
    'mmssc/formats/numpy_arrays.py': (2, 'a member of a checked archive'),
    'mmssc/formats/point_rows.py': (1, 'a hint'),
    'mmssc/formats/regular_files.py': (1, 'the entrance'),
    'mmssc/formats/rgbd_cache.py': (1, 'writes'),
    'mmssc/formats/torch_file.py': (2, 'an open regular file, and its members'),
    'mmssc/formats/video.py': (1, 'a regular file of a known kind'),
    'mmssc/formats/zip_archives.py': (4, 'an open regular file, and its members'),
    'mmssc/kept_memory.py': (1, 'files of the kernel'),
    'mmssc/model_index.py': (1, 'text that was read'),
    'mmssc/performance/case_worker.py': (1, 'a file of its own parent'),
    'mmssc/performance/comparison.py': (2, 'files of its own processes'),
    'mmssc/performance/gpu_check.py': (1, 'our own tests'),
    'mmssc/performance/growth.py': (1, 'a file of its own process'),
    'mmssc/performance/lists.py': (1, 'a file of the kernel'),
    'mmssc/performance/machine.py': (1, 'a file of the kernel'),
    'mmssc/performance/processes.py': (2, 'the output of its own processes'),
    'mmssc/performance/stages.py': (1, 'a file of the kernel'),
    'mmssc/performance/versions.py': (1, 'an archive that git has just made'),
    'mmssc/performance/worker.py': (3, 'files of its own parent, a file of the kernel'),
    'mmssc/tool_commands.py': (2, 'our own scripts'),
    'mmssc/visualization/html_viewer.py': (3, 'our own page and scripts'),
    'mmssc/temporary_files.py': (2, 'a number of the system; its own lock'),
    'mmssc/visualization/video_files.py': (3, 'a file that it has written'),
    'tools/analysis_tools/gpu_check.py': (1, 'a file of its own process'),
    'tools/misc/check_env.py': (1, 'our own requirements'),
    'tools/misc/check_metafiles.py': (1, 'text that was read'),
    'tools/misc/make_model_zoo.py': (3, 'text that was read; a file that it has written'),
    'tools/misc/torchrun.py': (1, 'a file of its own child process'),
}


def test_every_other_way_to_open_a_file_has_a_reason():
    found = {}
    for folder in ('mmssc', 'tools', 'projects'):
        for path in (ROOT / folder).rglob('*.py'):
            name = path.relative_to(ROOT).as_posix()
            lines = [line.partition('#')[0] for line in path.read_text('utf-8').splitlines()]
            count = sum(OPENS.search(line) is not None for line in lines if '``' not in line)
            if count and '/tests/' not in name:
                found[name] = count
    expected = {name: count for name, (count, _) in ALLOWED.items()}
    assert found == expected
