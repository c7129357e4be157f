from mmssc.datasets.frame_ranges import describe_frames


def test_frames_in_few_words():
    def describe(*numbers):
        return describe_frames(f'{number:06d}' for number in numbers)

    assert describe(3) == '000003' and describe(4, 3) == '000003, 000004'
    assert describe(*range(6, 4541)) == '000006-004540'
    assert describe(1, *range(5, 4541, 5)) == '000001, 000005-004540 step 5'
    assert describe(0, 2, 3, 4, 9) == '000000, 000002-000004, 000009'
    assert describe(0, 1, 5, 7, 20, 26, 60, 61, 90).endswith('000026, ... (3 more)')
