"""What is said of the machine: enough to explain a result, and nothing that identifies it."""

import os
import platform
import socket

import onnxruntime
import torch

from wav2tok.machine import describe


def test_a_cpu_is_described_without_naming_this_machine():
    facts = describe(torch.device("cpu"))
    assert (facts["python"], facts["torch"]) == (platform.python_version(), torch.__version__)
    assert facts["onnxruntime"] == onnxruntime.__version__
    assert facts["torch_threads"] == torch.get_num_threads()
    assert 1 <= facts["cores"] <= os.cpu_count()
    assert not [name for name in facts if name.startswith("gpu")]
    words = " ".join(map(str, facts.values())).lower().split()
    assert socket.gethostname().lower() not in words
    assert not any(word.startswith(os.sep) for word in words)
