"""Training on several machines: two launchers that find each other, here both on this machine."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest
import torch
from tool_runs import ROOM_CONFIG, ROOT, room_options, tool_environment

from mmssc.compat import load_checkpoint_file


def train_on_machines(folder: Path, count: int, processes: int, options: list[str]) -> list[str]:
    """Train with ``dist_train.sh`` started once per machine; their outputs."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    machines = [
        subprocess.Popen(
            ['bash', ROOT / 'tools/dist_train.sh', ROOM_CONFIG, str(processes), *options],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={
                **tool_environment(), 'NNODES': str(count), 'NODE_RANK': str(rank),
                'MASTER_ADDR': '127.0.0.1', 'PORT': str(port),
            },
        )
        for rank in range(count)
    ]  # fmt: skip
    outputs = [machine.communicate(timeout=400)[0] for machine in machines]
    assert [machine.returncode for machine in machines] == [0] * count, outputs
    return outputs


@pytest.mark.slow
def test_two_machines_train_the_network_of_one(rooms, tmp_path):
    states = []
    for count, processes in ((2, 1), (1, 2)):
        options = ['--work-dir', f'run{count}', *room_options(rooms)]
        outputs = train_on_machines(tmp_path, count, processes, options)
        assert '2 processes on cpu' in outputs[0] and 'ssc/SC_IoU' in outputs[0]
        assert all('ssc/SC_IoU' not in output for output in outputs[1:]), 'only one writes the log'
        checkpoint = load_checkpoint_file(tmp_path / f'run{count}/epoch_2.pth')
        states.append(checkpoint['state_dict'])
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
