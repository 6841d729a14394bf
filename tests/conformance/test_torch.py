"""PyTorch's own samples for its operators: their arguments, our answer, in value and in gradient.

`torch.testing._internal` describes each operator by an OpInfo, whose sample inputs are what PyTorch's tests run on.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra 'conformance' brings torch")
pytest.importorskip("expecttest", reason="the extra 'conformance' brings expecttest")

import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what PyTorch's internals deprecate is not ours
    from torch.testing._internal.common_methods_invocations import op_db
    from torch.testing._internal.opinfo.core import SampleInput

from torch_operators import FUNCTIONS, WITHOUT_SAMPLES

import faltung

INFOS = {info.name: info for info in op_db if info.name in FUNCTIONS and not info.variant_test_name}
SEED = 5


def arrays(value):
    """Tensors become arrays, in containers too."""
    if isinstance(value, torch.Tensor):
        return value.detach().numpy()
    if isinstance(value, tuple | list):
        return type(value)(arrays(one) for one in value)
    return value


def samples(name, dtype):
    torch.manual_seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002 - PyTorch's samples draw from it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(INFOS[name].sample_inputs("cpu", dtype, requires_grad=True))


TOLERANCE = {torch.float64: 1e-11, torch.float32: 2e-5}


@pytest.fixture(autouse=True)
def one_thread():
    """The samples are tiny."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with faltung.set_workers(1):
        yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_samples(name, dtype, tally):
    assert name in INFOS, "PyTorch has no such OpInfo any more"
    function = FUNCTIONS[name]
    suite = f"torch {name.rpartition('.')[2]}"
    asked = samples(name, dtype)
    assert asked
    for number, sample in enumerate(asked):
        compare(function, INFOS[name].op, sample, TOLERANCE[dtype], f"sample {number}: {sample}")
        tally(suite, "passed")


@pytest.mark.parametrize("p", [1, 2, 3.5])
@pytest.mark.parametrize("name", WITHOUT_SAMPLES)
def test_norms(name, p, tally):
    function = WITHOUT_SAMPLES[name]
    generator = torch.Generator().manual_seed(SEED)
    for size, stride in ((2, None), (3, 2), (3, 1)):
        shape = (2, 3, *[7, 9, 8][: function.axes])
        # positive: PyTorch takes the root of the sum of x^p, and we that of |x|^p
        x = torch.rand(shape, generator=generator, dtype=torch.float64) + 0.1
        sample = SampleInput(x, args=(p, size, stride))
        operator = getattr(torch.nn.functional, name)
        compare(function, operator, sample, 1e-11, f"{name} {p} {size} {stride}")
        tally(f"torch {name}", "passed")


def compare(function, operator, sample, tolerance, told):
    x = sample.input.detach().requires_grad_()
    others = [
        one.detach().requires_grad_() if isinstance(one, torch.Tensor) else one
        for one in sample.args
    ]
    named = {
        key: one.detach().requires_grad_() if isinstance(one, torch.Tensor) else one
        for key, one in sample.kwargs.items()
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = operator(x, *others, **named)
    ours = function(arrays(x), *arrays(others), **{k: arrays(v) for k, v in named.items()})
    value, gradients = ours
    indices = None
    if isinstance(expected, tuple):
        expected, indices = expected
        value, found = value
        np.testing.assert_array_equal(found, indices.numpy(), err_msg=told)
    assert value.shape == tuple(expected.shape), told
    assert value.dtype == arrays(expected).dtype, told
    close(value, arrays(expected), tolerance, told)

    generator = torch.Generator().manual_seed(SEED)
    grad = torch.randn(expected.shape, generator=generator, dtype=expected.dtype)
    inputs = [x, *[one for one in (*others, *named.values()) if isinstance(one, torch.Tensor)]]
    truths = torch.autograd.grad(expected, inputs, grad)
    for actual, truth in zip(gradients(grad.numpy()), truths, strict=True):
        assert actual.shape == tuple(truth.shape), told
        close(actual, truth.numpy(), tolerance, told)


def close(actual, expected, tolerance, told):
    scale = np.abs(expected).max(initial=1.0)
    np.testing.assert_allclose(
        actual, expected, rtol=tolerance, atol=tolerance * scale, err_msg=told
    )
