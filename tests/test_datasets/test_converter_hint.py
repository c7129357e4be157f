from mmssc.datasets.converter_hint import converter_hint


def test_the_hint_runs_where_there_are_data(tmp_path):
    converter = 'tools/dataset_converters/nyu.py'
    assert converter_hint(converter, str(tmp_path)) == f'Run: python {converter} {tmp_path}'
    assert converter_hint(converter, '', '--camera K.txt') == (
        f'Run: python {converter} ROOT --camera K.txt'
    )
    hint = converter_hint(converter, str(tmp_path / 'none'))
    assert hint.startswith(f'There is no folder {tmp_path}/none: set data_root')
    assert 'test_dataloader.dataset.data_root=DIR' in hint
    # Not with the folder that does not exist.
    assert f'{converter} DIR prepares' in hint
