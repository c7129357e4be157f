"""Packaging of mmssc; dependencies are listed in ``requirements/``."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
EXTRAS = ('lite', 'sparse', 'mmdet3d', 'tests', 'docs')


def read_version() -> str:
    """The version in ``mmssc/version.py``, read without importing the package."""
    text = (ROOT / 'mmssc' / 'version.py').read_text(encoding='utf-8')
    found = re.search(r"^__version__ = '([^']+)'$", text, re.MULTILINE)
    if found is None:
        raise RuntimeError('mmssc/version.py has no __version__')
    return found.group(1)


def requirements(name: str) -> list[str]:
    """The requirements in ``requirements/NAME.txt`` without comments."""
    text = (ROOT / 'requirements' / f'{name}.txt').read_text(encoding='utf-8')
    lines = (line.split('#')[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


setup(
    name='mmssc',
    version=read_version(),
    description='Semantic scene completion on mmengine: one library, a method is a config',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    keywords='computer vision, 3D, semantic scene completion, occupancy prediction',
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'Programming Language :: Python :: 3.9',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Programming Language :: Python :: 3.13',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
    # With an entry here, an editable install adds the clone to the path instead of an import
    # finder. Python asks a finder last: beside a clone called mmssc, it takes that folder first.
    package_dir={'': '.'},
    packages=find_packages(include=['mmssc', 'mmssc.*']),
    package_data={'mmssc': ['py.typed', '**/viewer/*']},
    python_requires='>=3.9,<3.14',
    install_requires=requirements('runtime') + requirements('mminstall'),
    extras_require={name: requirements(name) for name in EXTRAS},
    zip_safe=False,
)
