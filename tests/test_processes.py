"""Steps in processes of their own: none ends the others."""

import sys
import time

from mmssc.performance.processes import FAILED, LEFT_OUT, OK, TOO_LONG, Step, run_steps


def python(code: str) -> tuple[str, ...]:
    return sys.executable, '-c', code


def test_a_step_that_fails_or_hangs_does_not_end_the_others(tmp_path):
    alive = tmp_path / 'alive'
    # The child of a hanging step would write the file after it was stopped.
    child = f'import time; time.sleep(4); open({str(alive)!r}, "w")'
    hangs = f'import subprocess, sys; subprocess.run([sys.executable, "-c", {child!r}])'
    steps = [
        Step('works', (python('print(1)'), python('print("two\\n")'))),
        Step('fails', (python('print("before"); raise SystemExit("no")'), python('print(3)'))),
        Step('hangs', (python(hangs),), seconds=1.5),
        Step('needs more', missing='not here'),
        Step('sees', (python('import os; print(os.environ["A"])'),), environment={'A': 'b'}),
    ]
    reported = []
    results = run_steps(steps, 100, reported.append)
    assert reported == results
    assert [one.state for one in results] == [OK, FAILED, TOO_LONG, LEFT_OUT, OK]
    assert [one.note for one in results if one.state != TOO_LONG] == ['two', 'no', 'not here', 'b']
    assert results[1].output == 'before\nno' and results[0].output == ''
    assert [one.went_wrong for one in results] == [False, True, True, False, False]
    time.sleep(4)
    assert not alive.exists()


def test_steps_for_which_no_time_is_left_are_said():
    steps = [Step('slow', (python('import time; time.sleep(20)'),)), Step('next', (python(''),))]
    slow, after = run_steps(steps, 1, lambda result: None)
    assert slow.state == TOO_LONG and slow.seconds < 15
    assert (after.state, after.note) == (TOO_LONG, 'not started: no time was left')
