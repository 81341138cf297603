"""What training needs of its process."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys
import torch
from bench.marl.process import tune

TUNE
weights = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.full((2,), 5.0))
for kind in (torch.optim.Adam, torch.optim.RMSprop):
    optimizer = kind(weights, lr=.1)
    for _ in range(3):
        optimizer.zero_grad()
        sum((weight ** 3).sum() for weight in weights).backward()
        optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    print([weight.tolist() for weight in weights], weights[0].grad.requires_grad)
print("torch._dynamo" in sys.modules)
"""


@pytest.fixture(scope="module")
def learned():
    """What a process prints that learns as torch has it."""
    return run("")


def run(tune: str) -> list[str]:
    return subprocess.run([sys.executable, "-c", SCRIPT.replace("TUNE", tune)], capture_output=True, text=True,
                          check=True).stdout.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 2])
def test_optimisers_do_the_same_without_the_compiler(learned, times):
    tuned = run("tune()\n" * times)
    assert tuned[:-1] == learned[:-1]
    assert tuned[-1] == "False"
