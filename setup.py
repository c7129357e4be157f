"""Packaging of mmssc; dependencies are listed in ``requirements/``."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
#: The address of the project. It stands only here: put in the real one before a release.
REPOSITORY = 'https://example.org/mmssc'
EXTRAS = ('lite', 'vis', 'lidar', 'sparse', 'deploy', 'mmdet3d', 'tests', 'docs')
#: What the wheel holds in ``mmssc/.mim`` beside the package: mmssc/resources.py finds it there.
RESOURCES = ('configs', 'tools', 'checkpoints', 'requirements', 'model-index.yml')


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


def description() -> str:
    """The README; links to files of the repository become links that work on other pages."""
    text = (ROOT / 'README.md').read_text(encoding='utf-8')
    return re.sub(r'\]\((?!https?:|#)', f']({REPOSITORY}/blob/main/', text)


class BuildWithResources(build_py):
    """Adds configs, tools, metafiles and weights to a wheel; an editable install has the clone."""

    def run(self) -> None:
        """Build the package, then copy the other files into it."""
        super().run()
        if getattr(self, 'editable_mode', False):
            return
        folder = Path(self.build_lib, 'mmssc', '.mim')
        shutil.rmtree(folder, ignore_errors=True)  # Of an earlier build.
        folder.mkdir(parents=True)
        for name in RESOURCES:
            if (ROOT / name).is_dir():
                ignored = shutil.ignore_patterns('__pycache__', '.*')
                shutil.copytree(ROOT / name, folder / name, ignore=ignored)
            else:
                shutil.copy(ROOT / name, folder / name)


setup(
    name='mmssc',
    version=read_version(),
    description='Semantic scene completion on mmengine: one library, a method is a config',
    long_description=description(),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    url=REPOSITORY,
    project_urls={
        'Documentation': f'{REPOSITORY}/tree/main/docs/en',
        'Issue tracker': f'{REPOSITORY}/issues',
        'Changelog': f'{REPOSITORY}/blob/main/CHANGELOG.md',
    },
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
    entry_points={'console_scripts': ['mmssc = mmssc.__main__:main']},
    cmdclass={'build_py': BuildWithResources},
    zip_safe=False,
)
