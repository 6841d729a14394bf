"""Every error about an argument names it: each parameter of each public function is given what cannot be right."""

import inspect
import itertools
import re
import types

import numpy as np
import pytest

import faltung
from faltung import diffusion, filters, fourier, kernels, nn, series, stochastic

# Calls that are right, with something for each parameter.
k = np.ones((2, 3))
PLANE, LINE = np.arange(36.0).reshape(6, 6) % 7, np.arange(12.0) % 5
SAMPLES, WEIGHTS, POOLED = np.ones((1, 2, 6, 6)), np.ones((4, 2, 3, 3)), np.ones((1, 2, 3, 3))
DATA = np.random.default_rng(0).random((20, 20))

WAYS = {"axes": (0, 1), "boundary": "constant", "cval": 1.0, "dtype": None, "workers": 1}
SAME = {**WAYS, "mode": "same", "method": "auto"}
CONVOLVE = {**SAME, "x": PLANE, "k": k, "out": None, "stride": 1, "dilation": 1, "device": None}
PLAN = {**SAME, "shape": (6, 6), "x_dtype": None, "correlate": False}
FILTER = {**WAYS, "x": PLANE, "out": None}
TRANSPOSED = {
    "stride": 1,
    "padding": 0,
    "dilation": 1,
    "groups": 1,
    "layout": "NCHW",
    "method": "auto",
}
LAYER = {**TRANSPOSED, "boundary": "zero"}
WINDOWS = {"size": 2, "stride": 2, "padding": 0, "dilation": 1, "layout": "NCHW", "workers": 1}
POOL = {**WINDOWS, "x": SAMPLES, "ceil_mode": False}
AVERAGE = {"count_include_pad": False, "divisor": None}
WHOLE = {"x": SAMPLES, "layout": "NCHW", "workers": 1}
whitening = series.whiten(DATA[:, :3])
RIGHT = [
    (faltung.convolve, CONVOLVE),
    (faltung.correlate, {**CONVOLVE, "lags": None}),
    (faltung.plan, {**PLAN, "k": k, "stride": 1, "dilation": 1, "device": None}),
    (faltung.plan(k, (6, 6), "same"), {"x": PLANE, "out": None}),
    (faltung.filter_bank, {**SAME, "x": PLANE, "out": None, "kernels": k[np.newaxis], "correlate": False}),
    (faltung.filter_bank_plan, {**PLAN, "kernels": k[np.newaxis]}),
    (faltung.filter_bank_plan(k[np.newaxis], (6, 6)), {"x": PLANE, "out": None}),
    (faltung.match_template, {**WAYS, "image": DATA, "template": DATA[3:6, 4:9], "mode": "same", "mask": None,
                              "image_mask": None, "out": None, "peaks": None}),
    (faltung.set_workers, {"workers": 1}),
    (faltung.show_config, {"mode": "dict"}),
    (faltung.tune, {"seconds": 1e-12, "progress": False}),
    (faltung.compat.report, {"reset": False}),
    (filters.gaussian, {**FILTER, "sigma": 1.0, "order": 0, "truncate": 4.0}),
    (filters.box, {**FILTER, "size": 3}),
    *((getattr(filters, name), {**FILTER, "axis": 0}) for name in ("sobel", "prewitt", "scharr")),
    (filters.laplace, {**FILTER, "connectivity": 1}),
    (filters.gaussian_gradient_magnitude, {**FILTER, "sigma": 1.0, "truncate": 4.0}),
    (filters.gaussian_laplace, {**FILTER, "sigma": 1.0, "truncate": 4.0}),
    (filters.sharpen, {**FILTER, "amount": 1.0, "connectivity": 1}),
    (filters.unsharp, {**FILTER, "sigma": 1.0, "amount": 1.0, "truncate": 4.0}),
    (kernels.box, {"size": 3, "ndim": 2, "dtype": float}),
    (kernels.binomial, {"size": 3, "ndim": 2, "dtype": float}),
    (kernels.gaussian, {"sigma": 1.0, "ndim": 2, "order": 0, "truncate": 4.0, "radius": None, "dtype": float}),
    (kernels.disk, {"radius": 2, "ndim": 2, "dtype": float}),
    (kernels.heat, {"time": 1.0, "diffusivity": 1.0, "ndim": 2, "kind": "lattice", "truncate": 5.0, "dtype": float}),
    *((getattr(kernels, name), {"axis": 0, "ndim": 2, "dtype": float}) for name in ("sobel", "prewitt", "scharr")),
    (kernels.laplacian, {"ndim": 2, "connectivity": 1, "dtype": float}),
    (kernels.edge, {"ndim": 2, "connectivity": 1, "dtype": float}),
    (kernels.sharpen, {"amount": 1.0, "ndim": 2, "connectivity": 1, "dtype": float}),
    (kernels.emboss, {"dtype": float}),
    (kernels.gabor, {"frequency": 0.2, "theta": 0.0, "bandwidth": 1.0, "sigma": None, "phase": 0.0, "truncate": 3.0,
                     "dtype": complex}),
    (kernels.identity, {"ndim": 2, "size": 3, "dtype": float}),
    (kernels.normalize, {"k": k, "by": "sum", "dtype": None}),
    (kernels.softmax, {"k": k, "temperature": 1.0, "dtype": None}),
    (fourier.log_spectrum, {"x": PLANE, "axes": (0, 1), "border": "hann", "floor": -120.0}),
    (fourier.periodic_part, {"x": PLANE, "axes": (0, 1)}),
    (fourier.orientation, {"image": DATA, "band": (0.1, 0.25), "step": 0.5}),
    (fourier.disk_mask, {"shape": (8, 8), "radius": 0.25, "softness": 0.1, "dtype": float}),
    (fourier.ring_mask, {"shape": (8, 8), "inner": 0.1, "outer": 0.25, "softness": 0.1, "dtype": float}),
    (fourier.filter_by_mask, {"x": PLANE, "mask": np.ones((6, 6)), "axes": (0, 1)}),
    (fourier.derivative, {"x": PLANE, "axis": -1, "order": 1, "spacing": 1.0}),
    (diffusion.propagator, {"t": 1.0, "D": 1.0, "ndim": 2, "spacing": 1.0, "kind": "lattice", "radius": None,
                            "dtype": float}),
    (diffusion.diffuse, {**FILTER, "t": 1.0, "D": 1.0, "spacing": 1.0, "kind": "lattice"}),
    (stochastic.convolve, {**FILTER, "p": k, "samples": 1, "rng": 1, "mode": "same"}),
    (series.moving_average, {"x": LINE, "weights": 3, "axis": -1, "centred": False, "boundary": "constant", "cval": 1.0,
                             "workers": 1}),
    (series.autoregressive, {"x": LINE, "coefficients": [0.5], "constant": 0.5, "past": [1.0], "axis": -1,
                             "workers": 1}),
    (series.arma, {"x": LINE, "ar": [0.5], "ma": [0.2], "constant": 0.5, "past": [1.0], "past_x": [1.0], "axis": -1,
                   "workers": 1}),
    (series.autocovariance, {"x": LINE, "lags": 3}),
    (series.yule_walker, {"x": LINE, "order": 2}),
    (series.difference, {"x": LINE, "order": 1, "lag": 1, "axis": -1}),
    (series.integrate, {"x": LINE, "start": [1.0], "order": 1, "lag": 1, "axis": -1}),
    (series.standardize, {"data": DATA, "axis": 0}),
    (series.whiten, {"data": DATA, "method": "pca", "components": 2, "epsilon": 0.1}),
    (series.patches, {"image": PLANE, "shape": (2, 3), "step": 1}),
    (whitening, {"data": DATA[:, :3]}),
    (whitening.undo, {"white": DATA[:, :3]}),
    (whitening.kernels, {"shape": 3}),
    (whitening.convolve, {"image": LINE, "shape": 3}),
    (nn.conv, {**LAYER, "x": SAMPLES, "w": WEIGHTS, "bias": np.zeros(4), "activation": None, "out": None,
               "workers": 1}),
    (nn.conv_transpose, {**TRANSPOSED, "x": np.ones((1, 4, 4, 4)), "w": WEIGHTS, "bias": np.zeros(2),
                         "output_padding": 0, "output_shape": None, "out": None, "workers": 1}),
    (nn.conv_backward, {**LAYER, "grad": np.ones((1, 4, 4, 4)), "x": SAMPLES, "w": WEIGHTS, "bias": True,
                        "input_gradient": True,
                        "weight_gradient": True, "workers": 1}),
    (nn.explain_backward, {**LAYER, "x_shape": (1, 2, 6, 6), "w_shape": (4, 2, 3, 3), "dtype": float}),
    (nn.plan, {**LAYER, "w": WEIGHTS, "x_shape": (1, 2, 6, 6), "bias": np.zeros(4), "activation": None,
               "x_dtype": None, "workers": 1}),
    (nn.plan(WEIGHTS, (1, 2, 6, 6)), {"x": SAMPLES, "out": None}),
    (nn.max_pool, {**POOL, "return_indices": False}),
    (nn.max_pool_backward, {**POOL, "grad": POOLED, "indices": None}),
    (nn.avg_pool, {**POOL, **AVERAGE}),
    (nn.avg_pool_backward, {**POOL, **AVERAGE, "grad": POOLED}),
    (nn.lp_pool, {**POOL, "p": 2}),
    (nn.lp_pool_backward, {**POOL, "p": 2, "grad": POOLED}),
    (nn.global_max_pool, WHOLE),
    (nn.global_avg_pool, WHOLE),
    (nn.global_lp_pool, {**WHOLE, "p": 2}),
    (nn.global_max_pool_backward, {**WHOLE, "grad": np.ones((1, 2, 1, 1))}),
    (nn.global_avg_pool_backward, {**WHOLE, "grad": np.ones((1, 2, 1, 1))}),
    (nn.global_lp_pool_backward, {**WHOLE, "p": 2, "grad": np.ones((1, 2, 1, 1))}),
    (nn.unfold, {**WINDOWS, "x": SAMPLES}),
    (nn.fold, {**WINDOWS, "columns": nn.unfold(SAMPLES, 2, stride=2), "shape": (6, 6)}),
]  # fmt: skip

ODD = [object(), {"a": 1}, [[1, 2], [3]], np.array(["a", "b"]), np.array(["2020-01-01"], "M8[D]")]
NO_ARRAY = [
    *ODD[:3],
    np.ma.masked_array([1.0, 2.0]),
    np.zeros(3, [("a", int)]),
    "abc",
    np.ones(2, "O"),
]
NO_NUMBER = [*ODD, "1", 1j, [], np.array("1.5"), float("nan"), int]
NO_INTEGER = [*ODD, "1", 1j, 1.5, 2**70, -(2**70), int]
NO_INTEGERS = [*NO_INTEGER, [[1], [2]], {1, 2}, b"ab", (1,) * 70]
NO_SHAPE = [*NO_INTEGERS, "", (-1, 5)]
NO_NAME = [*ODD, "nonsense", "\ud800", 3, b"same", [], np.ones(3)]
NO_DTYPE = [*ODD, "nonsense", "\ud800", -1, "U5", "O", (np.float32, (2,)), np.ones(3)]
NO_FLAG = [np.ones(3), np.empty(0), np.array(["a", "b"])]
NO_OUT = [*ODD, 1.0, [[0.0] * 6] * 6, np.ma.masked_array([1.0, 2.0]), np.ones((1, 1)), "abc"]

# A name means the same wherever it occurs, but for those under WRONG_THERE.
WRONG = {}
for _values, _names in (
    (
        NO_ARRAY,
        "x k kernels image template mask image_mask p coefficients ar ma past past_x start data",
    ),
    (NO_ARRAY, "white columns w grad indices weights bias"),
    (
        NO_NUMBER,
        "sigma truncate amount time diffusivity frequency theta bandwidth phase temperature",
    ),
    (NO_NUMBER, "floor band softness inner outer spacing t D constant epsilon seconds radius step"),
    ([value for value in NO_NUMBER if not isinstance(value, float)], "cval"),
    (NO_INTEGER, "order size connectivity ndim samples lags lag components groups divisor peaks"),
    (NO_INTEGER, "workers axis axes"),
    (NO_INTEGERS, "stride dilation padding output_padding"),
    (NO_SHAPE, "shape x_shape w_shape output_shape"),
    (NO_NAME, "mode method boundary kind by border layout activation device"),
    (NO_DTYPE, "dtype x_dtype"),
    (NO_FLAG, "correlate progress reset centred ceil_mode return_indices count_include_pad"),
    (NO_FLAG, "input_gradient weight_gradient"),
    (NO_OUT, "out"),
    ([*ODD[:2], ODD[3], "1", 1.5, -1], "rng"),
):
    WRONG.update(dict.fromkeys(_names.split(), _values))
WRONG_THERE = {
    ("conv_backward", "bias"): NO_FLAG,
    ("patches", "step"): NO_INTEGERS,
    **{(f"{way}lp_pool{end}", "p"): NO_NUMBER for way in ("", "global_") for end in ("", "_backward")},
    **{(name, "radius"): NO_INTEGER for name in ("gaussian", "propagator")},
}  # fmt: skip


def name_of(call):
    return getattr(call, "__name__", type(call).__name__)


@pytest.mark.parametrize(
    ("call", "right", "name"),
    [(call, right, name) for call, right in RIGHT for name in right],
    ids=lambda value: (
        value if isinstance(value, str) else name_of(value) if callable(value) else ""
    ),
)
def test_wrong_arguments_are_named(call, right, name):
    for value in WRONG_THERE.get((name_of(call), name), WRONG[name]):
        with pytest.raises((TypeError, ValueError)) as caught:
            call(**{**right, name: value})
        told = f"{value!r}: {caught.value!r}"
        assert caught.type in (TypeError, ValueError), told  # and no subclass that NumPy throws
        assert re.search(rf"\b{name}\b", str(caught.value)), told
        assert "incompatible" not in str(caught.value), told  # pybind11's


@pytest.mark.parametrize(
    ("call", "right"), RIGHT, ids=lambda value: name_of(value) if callable(value) else ""
)
def test_the_others_are_right(call, right):
    call(**right)
    if not isinstance(call, faltung.Plan):  # the core's, which tells no signature
        assert set(right) == set(inspect.signature(call).parameters)


def test_no_function_is_forgotten():
    modules = (faltung, filters, kernels, fourier, series, diffusion, stochastic, nn)
    public = {
        getattr(module, name)
        for module in modules
        for name in module.__all__
        if name != "__version__"
    }
    functions = {one for one in public if isinstance(one, types.FunctionType)}
    assert functions - {call for call, _ in RIGHT} == {faltung.trim}


def test_endless_sequences_end():
    for name in ("axes", "stride", "lags"):
        with pytest.raises((TypeError, ValueError), match=name):
            faltung.correlate(PLANE, k, **{name: itertools.count(1)})
    with pytest.raises(TypeError, match="size"):
        filters.box(PLANE, itertools.count(1))
