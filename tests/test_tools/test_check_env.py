def fake_distribution(folder, name, version):
    """Metadata that is found before that of the real package."""
    info = folder / f'{name}-{version}.dist-info'
    info.mkdir(parents=True)
    (info / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n')


def test_a_wrong_version_is_reported_with_its_fix(run_tool, tmp_path, monkeypatch):
    fake_distribution(tmp_path / 'fake', 'mmsegmentation', '0.30.0')
    monkeypatch.setenv('PYTHONPATH', str(tmp_path / 'fake'))
    lines = run_tool('misc/check_env.py', status=1).stdout.splitlines()
    (line,) = (number for number, line in enumerate(lines) if 'mmsegmentation' in line.split())
    assert 'WRONG' in lines[line] and '0.30.0' in lines[line]
    assert "pip install -c requirements/constraints.txt 'mmsegmentation" in lines[line + 1]
    assert lines[-1].startswith('1 problem')
