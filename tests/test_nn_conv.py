"""Layers: forward, transposed and gradients against the slow truth: levels, dtypes, layouts, boundaries."""

from __future__ import annotations

import numpy as np
import pytest
from bounds import layer_bound
from conv_cases import (
    BACKWARD,
    CASES,
    DTYPES,
    METHODS,
    NESTED,
    SPECTRAL,
    THREE,
    Case,
    assert_within,
    first,
    last,
    numbers,
)
from hypothesis import given
from hypothesis import strategies as st

import faltung
from faltung import _core, nn


def forward_bound(layer, x, w, method, dtype):
    window = np.sqrt(layer.forward(x.astype(np.float64) ** 2, np.ones(w.shape)))
    norms = np.sqrt((w.astype(np.float64) ** 2).sum(axis=tuple(range(1, w.ndim))))
    norms = norms.reshape(-1, *[1] * (w.ndim - 2))
    arithmetic = np.result_type(dtype, np.float32)
    return layer_bound(method, arithmetic, w[0].size, window, norms, np.abs(x).max(initial=0))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward(case, dtype, level):
    x, w = numbers(case.x, dtype, 1), numbers(case.w, dtype, 2)
    bias = numbers(case.w[:1], dtype, 3)
    layer = case.layer()
    value = layer.forward(x, w, bias)
    allowed = forward_bound(layer, x, w, "direct", dtype)
    allowed = allowed + np.finfo(np.float32 if dtype != np.float64 else dtype).eps * np.abs(value)
    for answer in (
        nn.conv(x, w, bias, **case.options()),
        first(nn.conv(last(x), w, bias, layout="NHWC", **case.options())),
    ):
        assert answer.dtype == dtype
        assert_within(answer, value, allowed)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("case", "method"),
    [(case, method) for case in THREE for method in ("winograd4", "winograd2")]
    + [(case, "nested") for case in NESTED]
    + [(case, "fft") for case in SPECTRAL],
    ids=str,
)
def test_transforms(case, method, dtype, level):
    x, w = numbers(case.x, dtype, 1), numbers(case.w, dtype, 2)
    layer = case.layer()
    value = layer.forward(x, w)
    allowed = forward_bound(layer, x, w, method, dtype)
    answer = nn.conv(x, w, method=method, **case.options())
    assert_within(answer, value, allowed)
    inside = nn.conv(last(x), w, method=method, layout="NHWC", **case.options())
    assert_within(first(inside), value, allowed)


def test_methods_are_as_accurate_as_they_say():
    """On random numbers, against the largest output: F(4, 3) 2e-6, nested F(2, 2) 9e-7, the others 6e-7."""
    x, w = numbers((1, 256, 28, 28), np.float32, 1), numbers((64, 256, 3, 3), np.float32, 2)
    value = Case(x.shape, w.shape, (1, 1), "same", (1, 1)).layer().forward(x, w)
    for method, limit in (
        ("winograd4", 2e-6),
        ("winograd2", 6e-7),
        ("nested", 9e-7),
        ("direct", 6e-7),
        ("fft", 6e-7),
    ):
        answer = nn.conv(x, w, padding="same", method=method)
        assert np.abs(answer - value).max() <= limit * np.abs(value).max()


@pytest.mark.parametrize(
    ("case", "method", "reason"),
    [
        (Case((1, 4, 9, 9), (4, 4, 5, 5), (1, 1), "same", (1, 1)), "winograd4", "3 x 3 only"),
        (Case((1, 4, 9, 9), (4, 4, 3, 3), (2, 1), "same", (1, 1)), "winograd4", "stride 1 only"),
        (Case((1, 4, 9, 9), (4, 4, 3, 3), (1, 1), "same", (1, 2)), "winograd2", "dilation 1 only"),
        (Case((1, 4, 9, 9), (4, 4, 3, 3), (1, 1), "same", (2, 1)), "nested", "dilation 1 only"),
        (Case((1, 70, 9, 9), (4, 70, 3, 3), (2, 2), "same", (1, 1)), "nested", "few input"),
        (Case((1, 4, 9, 9), (4, 4, 3, 3), (1, 2), "same", (1, 1)), "fft", "stride 1 only"),
        (
            Case((1, 4, 9, 9, 9), (4, 4, 3, 3, 3), (2, 1, 1), "same", (1, 1, 1)),
            "fft",
            "stride 1 only",
        ),
        (Case((1, 4, 9, 9), (4, 4, 1, 1), (1, 1), "same", (1, 1)), "fft", "more than one tap"),
        (Case((1, 1, 900), (1, 1, 600), (1,), "same", (1,)), "fft", "reach so far"),
    ],
)
def test_a_method_that_cannot_serve_says_why(case, method, reason):
    with pytest.raises(ValueError, match=reason):
        nn.conv(np.ones(case.x), np.ones(case.w), method=method, **case.options())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_where_it_is(method, bad):
    x, w = numbers((2, 20, 24, 25), np.float32, 1), numbers((9, 20, 3, 3), np.float32, 2)
    bias = numbers((9,), np.float32, 3)
    clean = nn.conv(x, w, bias, padding=1, method=method)
    x[1, 7, 10, 12] = bad
    answer = nn.conv(x, w, bias, padding=1, method=method)
    touched = np.zeros(answer.shape, bool)
    touched[1, :, 9:12, 11:14] = True
    assert (np.isfinite(answer) == ~touched).all()
    np.testing.assert_allclose(answer[~touched], clean[~touched], rtol=1e-3, atol=1e-3)
    if bad == np.inf:
        assert (np.sign(answer[touched]) == np.sign(w[:, 7, ::-1, ::-1].ravel())).all()


def test_what_is_not_finite_stays_in_its_channel():
    x, w = numbers((3, 20, 40, 41), np.float32, 1), numbers((20, 1, 9, 9), np.float32, 2)
    x[1, 7, 10, 12] = np.nan
    answer = nn.conv(x, w, padding=4, groups=20, method="fft")
    touched = np.zeros(answer.shape, bool)
    touched[1, 7, 6:15, 8:17] = True
    assert (np.isnan(answer) == touched).all()


def test_huge_numbers_do_not_overflow_on_the_way(level):
    x, w = numbers((1, 8, 16, 16), np.float32, 1), numbers((8, 8, 3, 3), np.float32, 2)
    value = nn.conv(x, w, padding=1, method="direct")
    scale = np.float32(2.0**120)
    for method in METHODS:
        scaled = nn.conv(x * scale, w, padding=1, method=method)
        np.testing.assert_allclose(scaled / scale, value, rtol=1e-3, atol=1e-3)


def test_plan(level):
    x, w = numbers((2, 20, 17, 19), np.float32, 1), numbers((33, 20, 3, 3), np.float32, 2)
    bias = numbers((33,), np.float32, 3)
    for method in METHODS:
        value = nn.conv(x, w, bias, padding=1, activation="relu", method=method)
        for layout in ("NCHW", "NHWC"):
            given = last(x) if layout == "NHWC" else x
            kernel = w.copy()
            layer = nn.plan(
                kernel,
                given.shape,
                bias,
                padding=1,
                activation="relu",
                method=method,
                layout=layout,
            )
            kernel[:] = 0
            assert layer.method == method
            assert layer.level == level
            assert layer.workspace_bytes < 8 << 20
            answer = layer(given)
            # a plan may take another tile than a call that has to transform the weights
            tolerance = 1e-4 if method == "fft" else 0
            planar = first(answer) if layout == "NHWC" else answer
            np.testing.assert_allclose(planar, value, rtol=0, atol=tolerance)
            out = np.empty_like(answer)
            assert layer(given, out=out) is out
            assert (out == answer).all()
    auto = nn.plan(w, x.shape, padding=1)
    lines = auto.explain().splitlines()
    assert [line.split()[0] for line in lines] == list(METHODS)
    assert sum("<- taken" in line for line in lines) == 1
    assert auto.method in repr(auto)
    assert "3 x 3 only" in nn.plan(w[:, :, :2], x.shape).explain()
    with pytest.raises(ValueError, match="x has shape"):
        auto(x[:, :, 1:])
    with pytest.raises(TypeError, match="this plan is for float32"):
        auto(x.astype(np.float64))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_backward(case, dtype, level):
    layer = case.layer()
    x, w = numbers(case.x, dtype, 1), numbers(case.w, dtype, 2)
    grad = numbers((case.x[0], case.w[0], *layer.counts), dtype, 4)
    truth = layer.backward(grad, x, w)
    # sums of weights and bias are direct; that of x is a layer of its own, by any method
    arithmetic = np.result_type(dtype, np.float32)
    sizes = layer.backward(np.abs(grad), np.abs(x), np.abs(w))
    bounds = [4 * np.finfo(arithmetic).eps * size for size in sizes]
    steps = w.size // w.shape[1]
    norm = np.sqrt((w.astype(np.float64) ** 2).sum(axis=(0, *range(2, w.ndim))).max())
    bounds[0] = bounds[0] + layer_bound(
        "auto", arithmetic, steps, sizes[0], norm, np.abs(grad).max()
    )
    options = case.options()
    planar = nn.conv_backward(grad, x, w, **options)
    inside = nn.conv_backward(last(grad), last(x), w, layout="NHWC", **options)
    for answers in (planar, (first(inside[0]), *inside[1:])):
        for answer, value, allowed in zip(answers, truth, bounds, strict=True):
            assert answer.dtype == dtype
            assert_within(answer, value, allowed)


def test_gradients_that_are_not_wanted_are_none():
    x, w = numbers((2, 3, 9, 9), np.float32, 1), numbers((4, 3, 3, 3), np.float32, 2)
    grad = numbers((2, 4, 7, 7), np.float32, 3)
    every = nn.conv_backward(grad, x, w)
    names = ("input_gradient", "weight_gradient", "bias")
    for wanted in range(8):
        asked = {name: bool(wanted >> i & 1) for i, name in enumerate(names)}
        some = nn.conv_backward(grad, x, w, **asked)
        for name, one, full in zip(names, some, every, strict=True):
            if asked[name]:
                np.testing.assert_array_equal(one, full)
            else:
                assert one is None


def gradient_bounds(layer, grad, x, w, arithmetic):
    """Those of dx and dw by any method: each is a sum of products, of `grad` with banks and of `grad` with samples."""
    eps = np.finfo(arithmetic).eps
    grad, x, w = (np.abs(a.astype(np.float64)) for a in (grad, x, w))
    sizes = layer.backward(
        grad, x, w
    )  # a direct sum's error, where samples answer for several places
    norm = np.sqrt((w**2).sum(axis=(0, *range(2, w.ndim))).max())
    of_x = layer_bound("auto", arithmetic, w.size // w.shape[1], sizes[0], norm, grad.max())
    norms = np.sqrt((grad**2).sum(axis=(0, *range(2, grad.ndim)))).reshape(-1, *[1] * (w.ndim - 1))
    places = grad.shape[0] * int(np.prod(grad.shape[2:]))
    of_w = layer_bound("auto", arithmetic, places, np.broadcast_to(norms, w.shape), norms, x.max())
    return of_x + 4 * eps * sizes[0], of_w


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("case", "method"),
    [(case, method) for case in THREE for method in ("winograd4", "winograd2")]
    + [(case, "fft") for case in SPECTRAL if set(case.stride) == {1}],
    ids=str,
)
def test_backward_by_transforms(case, method, dtype, level):
    layer = case.layer()
    x, w = numbers(case.x, dtype, 1), numbers(case.w, dtype, 2)
    grad = numbers((case.x[0], case.w[0], *layer.counts), dtype, 4)
    truth = layer.backward(grad, x, w)
    bounds = gradient_bounds(layer, grad, x, w, np.result_type(dtype, np.float32))
    options = case.options()
    # a plane of taps may have its own stride, which the gradient of x meets in parts without one
    planar = nn.conv_backward(grad, x, w, method=method, bias=False, **options)
    inside = nn.conv_backward(
        last(grad), last(x), w, method=method, bias=False, layout="NHWC", **options
    )
    for dx, dw, _ in (planar, (first(inside[0]), *inside[1:])):
        assert_within(dx, truth[0], bounds[0])
        assert_within(dw, truth[1], bounds[1])


def test_gradients_are_as_accurate_as_methods_say():
    """On random numbers dw is within 2e-6 of its largest number with F(4, 3), within 6e-7 with the others."""
    x, w = numbers((2, 64, 56, 56), np.float32, 1), numbers((64, 64, 3, 3), np.float32, 2)
    grad = numbers((2, 64, 56, 56), np.float32, 3)
    _, value, _ = Case(x.shape, w.shape, (1, 1), "same", (1, 1)).layer().backward(grad, x, w)
    for method, limit in (
        ("winograd4", 2e-6),
        ("winograd2", 6e-7),
        ("direct", 6e-7),
        ("fft", 6e-7),
    ):
        _, dw, _ = nn.conv_backward(grad, x, w, padding=1, method=method)
        assert np.abs(dw - value).max() <= limit * np.abs(value).max()


@pytest.mark.parametrize("case", [
    Case((1, 200, 14, 15), (230, 200, 3, 3), (1, 1), "same", (1, 1)),
    Case((2, 130, 9, 30), (140, 65, 3, 3), (1, 1), "same", (1, 1), 2),
], ids=str)  # fmt: skip
def test_gradients_of_many_channels(case, level):
    """Sums that no cache holds are shared by all tasks."""
    layer = case.layer()
    x, w = numbers(case.x, np.float32, 1), numbers(case.w, np.float32, 2)
    grad = numbers((case.x[0], case.w[0], *layer.counts), np.float32, 4)
    truth = layer.backward(grad, x, w)
    bounds = gradient_bounds(layer, grad, x, w, np.float32)
    for method in BACKWARD:
        dx, dw, _ = nn.conv_backward(grad, x, w, method=method, **case.options())
        assert_within(dx, truth[0], bounds[0])
        assert_within(dw, truth[1], bounds[1])


@pytest.mark.parametrize(
    ("case", "methods"),
    [
        (Case((2, 150, 66, 70), (160, 150, 3, 3), (1, 1), "same", (1, 1)), ("winograd4", "winograd2")),
        (Case((1, 64, 101, 99), (64, 64, 7, 7), (1, 1), "same", (1, 1)), ("fft",)),
    ],
    ids=str,
)  # fmt: skip
def test_more_tiles_than_are_multiplied_together(case, methods):
    """Transformed samples go through in several chunks, sums of a bank in several pieces."""
    x, w = numbers(case.x, np.float32, 1), numbers(case.w, np.float32, 2)
    value = nn.conv(x, w, padding="same", method="direct")
    grad = numbers(value.shape, np.float32, 3)
    _, dw, _ = nn.conv_backward(grad, x, w, padding="same", method="direct")
    for method in methods:
        answer = nn.conv(x, w, padding="same", method=method)
        assert np.abs(answer - value).max() <= 3e-6 * np.abs(value).max()
        _, of_w, _ = nn.conv_backward(grad, x, w, padding="same", method=method)
        assert np.abs(of_w - dw).max() <= 3e-6 * np.abs(dw).max()
        plan = nn.plan(w, x.shape, padding="same", method=method)
        assert np.abs(plan(x) - value).max() <= 3e-6 * np.abs(value).max()


@pytest.mark.parametrize("method", BACKWARD)
@pytest.mark.parametrize("groups", [1, 20])
def test_gradients_with_what_is_not_finite(method, groups):
    if groups > 1 and method.startswith("winograd"):
        x, w = numbers((2, 20, 24, 25), np.float32, 1), numbers((20, 1, 3, 3), np.float32, 2)
    else:
        x, w = (
            numbers((2, 20, 24, 25), np.float32, 1),
            numbers((20, 20 // groups, 3, 3), np.float32, 2),
        )
    grad = numbers((2, 20, 22, 23), np.float32, 3)
    x[1, 7, 0, 0], grad[0, 3, 5, 5] = np.nan, np.inf
    value = nn.conv_backward(grad, x, w, groups=groups, method="direct")
    answer = nn.conv_backward(grad, x, w, groups=groups, method=method)
    for a, b in zip(answer, value, strict=True):
        assert (np.isfinite(a) == np.isfinite(b)).all()
        finite = np.isfinite(b)
        np.testing.assert_allclose(a[finite], b[finite], rtol=1e-3, atol=1e-3)
    assert np.isfinite(value[1]).any()
    x[1, 7, 0, 0], grad[0, 3, 5, 5] = 0, 0
    # kept apart from other samples, other places and other channels again
    value = nn.conv_backward(grad, x, w, groups=groups, method="direct")
    answer = nn.conv_backward(grad, x, w, groups=groups, method=method)
    for a, b in zip(answer, value, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda x, w, g: nn.conv_backward(g, x, w, stride=2, method="winograd4"), "stride 1 only"),
        (lambda x, w, g: nn.conv_backward(g, x, w, stride=2, method="fft"), "stride 1 only"),
        (lambda x, w, g: nn.conv_transpose(x, w, stride=2, method="winograd2"), "3 x 3 only"),
    ],
)
def test_a_method_that_cannot_serve_backward_says_why(call, reason):
    x, w = np.ones((1, 4, 9, 9)), np.ones((4, 4, 3, 3))
    with pytest.raises(ValueError, match=reason):
        call(x, w, np.ones((1, 4, 4, 4)))


def test_what_backward_does_is_explained():
    text = nn.explain_backward((1, 64, 56, 56), (64, 64, 3, 3), padding=1)
    lines = text.splitlines()
    assert [line for line in lines if line.startswith("gradient")] == [
        "gradient of w",
        "gradient of x",
    ]
    assert text.count("<- taken") == 2
    strided = nn.explain_backward((1, 64, 56, 56), (64, 64, 3, 3), stride=2)
    assert "gradient of x, part 4 of 4" in strided
    assert "serves stride 1 only" in strided
    tiled = nn.explain_backward((1, 64, 56, 56), (64, 64, 2, 2), stride=2)  # all parts at once
    assert "gradient of x\n" in tiled
    assert "<- asked for" in nn.explain_backward((1, 4, 9), (4, 4, 3), method="fft")
    last_axis = nn.explain_backward((1, 56, 56, 64), (64, 64, 3, 3), padding=1, layout="NHWC")
    assert last_axis == text
    with pytest.raises(ValueError, match="method 'winograd4' cannot serve"):
        nn.explain_backward((1, 4, 9, 9), (4, 4, 5, 5), method="winograd4")


def test_predictions_know_where_channels_are():
    """Sums of few channels are quicker where these lie apart; elsewhere `auto` must not believe so."""
    w = np.ones((64, 3, 3, 3), np.float32)
    planes = nn.plan(w, (1, 3, 64, 64), padding=1, method="direct")
    inside = nn.plan(w, (1, 64, 64, 3), padding=1, method="direct", layout="NHWC")
    assert planes.predicted_seconds != inside.predicted_seconds
    shapes = {"NCHW": (1, 3, 64, 64), "NHWC": (1, 64, 64, 3)}
    texts = [
        nn.explain_backward(shape, w.shape, padding=1, layout=layout).split("gradient of x")
        for layout, shape in shapes.items()
    ]
    assert texts[0][0] == texts[1][0]
    assert texts[0][1] != texts[1][1]


@pytest.mark.parametrize("method", METHODS)
def test_transpose_by_each_method(method, level):
    case = Case((2, 20, 17, 19), (33, 20, 3, 3), (1, 1), ((1, 0), (2, 1)), (1, 1))
    layer = case.layer()
    w = numbers(case.w, np.float32, 2)
    grad = numbers((case.x[0], case.w[0], *layer.counts), np.float32, 4)
    value, _, _ = layer.backward(grad, np.zeros(case.x), w)
    answer = nn.conv_transpose(grad, w, padding=case.padding, method=method)
    bounds = gradient_bounds(layer, grad, np.ones(case.x), w, np.float32)
    assert_within(answer, value, bounds[0])


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.boundary == "zero" and c.padding != "same"], ids=str
)
def test_transpose_is_the_adjoint(case, level):
    layer = case.layer()
    w, bias = numbers(case.w, np.float64, 2), numbers((case.x[1],), np.float64, 3)
    grad = numbers((case.x[0], case.w[0], *layer.counts), np.float64, 4)
    value, _, _ = layer.backward(grad, np.zeros(case.x), w)
    value = value + bias.reshape(-1, *[1] * len(layer.counts))
    options = case.options()
    del options["boundary"]
    answer = nn.conv_transpose(grad, w, bias, output_shape=case.x[2:], **options)
    np.testing.assert_allclose(answer, value, rtol=1e-12, atol=1e-12)
    inside = nn.conv_transpose(
        last(grad), w, bias, output_shape=case.x[2:], layout="NHWC", **options
    )
    np.testing.assert_allclose(first(inside), value, rtol=1e-12, atol=1e-12)


def test_transpose_of_windows_that_tile_a_large_result(level):
    x, w = numbers((1, 4, 260, 256), np.float32, 1), numbers((4, 8, 2, 2), np.float32, 2)
    bias = numbers((8,), np.float32, 3)  # results beyond the caches
    answer = nn.conv_transpose(x, w, bias, stride=2)
    value = np.einsum("nihw,ioyx->nohywx", x.astype(np.float64), w.astype(np.float64))
    value = value.reshape(answer.shape) + bias[:, None, None]
    np.testing.assert_allclose(answer, value, rtol=1e-5, atol=1e-5)


def test_transpose_shapes():
    x, w = np.ones((1, 4, 5, 6)), np.ones((4, 3, 3, 2))
    assert nn.conv_transpose(x, w, stride=(2, 3)).shape == (1, 3, 11, 17)
    assert nn.conv_transpose(x, w, stride=2, output_padding=(1, 0)).shape == (1, 3, 12, 12)
    assert nn.conv_transpose(x, w, padding=((1, 0), (0, 1))).shape == (1, 3, 6, 6)
    assert nn.conv_transpose(x, w, groups=2).shape == (1, 6, 7, 7)
    # more stride than taps: some positions get the bias alone
    sparse = nn.conv_transpose(x, w[:, :, :1, :1], np.full(3, 7.0), stride=4)
    assert sparse.shape == (1, 3, 17, 21)
    assert (sparse[..., ::4, ::4] == 11).all()
    sparse[..., ::4, ::4] = 7
    assert (sparse == 7).all()


DIFFERENCES = (
    (Case((2, 3, 6, 5), (4, 3, 3, 2), (2, 1), ((1, 0), (1, 1)), (1, 2), 1, "mirror"), "auto"),
    (Case((2, 3, 6, 5), (4, 3, 3, 3), (1, 1), ((1, 0), (1, 1)), (1, 1), 1, "mirror"), "winograd4"),
    (Case((2, 3, 6, 5), (4, 3, 3, 3), (1, 1), ((1, 0), (1, 1)), (1, 1), 1, "wrap"), "winograd2"),
    (Case((2, 3, 6, 5), (4, 3, 3, 2), (1, 1), ((1, 0), (1, 1)), (1, 2), 1, "edge"), "fft"),
    (Case((2, 3, 4, 6, 5), (4, 3, 2, 3, 2), (1, 1, 1), "same", (1, 1, 2)), "fft"),
    (Case((2, 6, 6, 5), (6, 1, 3, 3), (1, 1), "same", (1, 1), 6), "fft"),
)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("case", "method"), DIFFERENCES, ids=str)
def test_gradients_by_finite_differences(case, method, dtype):
    x, w = numbers(case.x, np.float64, 1), numbers(case.w, np.float64, 2)
    weight = numbers(nn.conv(x, w, **case.options()).shape, np.float64, 3)
    dx, dw, db = nn.conv_backward(
        weight.astype(dtype), x.astype(dtype), w.astype(dtype), method=method, **case.options()
    )
    tolerance = (1e-4 if dtype == np.float32 else 1e-7) * 99

    def loss(x, w, b):
        bias = np.full(len(w), float(b))
        return float((nn.conv(x, w, bias, **case.options()) * weight).sum())

    step = 1e-6
    random = np.random.default_rng(9)
    for array, gradient, moved_loss in (
        (x, dx, lambda moved: loss(moved, w, 0)),
        (w, dw, lambda moved: loss(x, moved, 0)),
    ):
        for _ in range(4):
            at = tuple(int(random.integers(n)) for n in array.shape)
            moved = array.copy()
            moved[at] += step
            difference = (moved_loss(moved) - loss(x, w, 0)) / step
            assert difference == pytest.approx(gradient[at], abs=tolerance)
    assert (loss(x, w, step) - loss(x, w, 0)) / step == pytest.approx(db.sum(), abs=tolerance)


@given(
    data=st.data(),
    groups=st.integers(1, 3),
    inputs=st.integers(1, 12),
    outputs=st.integers(1, 20),
    axes=st.integers(1, 3),
)
def test_any_layer(data, groups, inputs, outputs, axes):
    def each(low, high):
        return tuple(data.draw(st.lists(st.integers(low, high), min_size=axes, max_size=axes)))

    taps, dilation, stride = each(1, 3), each(1, 3), each(1, 3)
    padding = tuple(zip(each(0, 4), each(0, 4), strict=True))
    extra = each(0, 9)
    spatial = tuple(
        max(1, (k - 1) * d + 1 - sum(p)) + e
        for k, d, p, e in zip(taps, dilation, padding, extra, strict=True)
    )
    boundary = data.draw(st.sampled_from(["zero", "edge", "symmetric", "mirror", "wrap"]))
    case = Case(
        (data.draw(st.integers(0, 2)), groups * inputs, *spatial),
        (groups * outputs, inputs, *taps),
        stride,
        padding,
        dilation,
        groups,
        boundary,
    )
    layer = case.layer()
    x, w = numbers(case.x, np.float64, 1), numbers(case.w, np.float64, 2)
    value = layer.forward(x, w)
    np.testing.assert_allclose(nn.conv(x, w, **case.options()), value, rtol=1e-11, atol=1e-11)
    grad = numbers(value.shape, np.float64, 3)
    for answer, truth in zip(
        nn.conv_backward(grad, x, w, **case.options()), layer.backward(grad, x, w), strict=True
    ):
        np.testing.assert_allclose(answer, truth, rtol=1e-11, atol=1e-11)


def test_relu_and_bias_in_the_store():
    x, w = numbers((2, 7, 9, 8), np.float32, 1), numbers((19, 7, 3, 3), np.float32, 2)
    bias = numbers((19,), np.float32, 3)
    plain = nn.conv(x, w, bias, padding=1)
    assert (np.maximum(plain, 0) == nn.conv(x, w, bias, padding=1, activation="relu")).all()
    x[0, 0, 0, 0] = np.nan
    assert np.isnan(nn.conv(x, w, padding=1, activation="relu")[0, :, :2, :2]).all()
    with pytest.raises(ValueError, match="activation is 'tanh'"):
        nn.conv(x, w, activation="tanh")


def test_the_choice_counts_the_cores_of_the_process_not_the_workers_of_a_call():
    cores = _core.available_workers()
    w = numbers((32, 1, 15, 15), np.float32, 1)
    plans = [nn.plan(w, (1, 1, 128, 128), padding=7, workers=workers) for workers in (1, 2, 64)]
    assert f"predicted on {cores} core{'s' * (cores > 1)}" in plans[0].explain()
    assert len({plan.explain() for plan in plans}) == 1


def test_gradients_of_samples_alone_take_any_method_of_theirs():
    """Also one that serves no gradients of weights."""
    x, w = numbers((1, 2, 12, 13), np.float64, 1), numbers((3, 2, 4, 4), np.float64, 2)
    grad = numbers((1, 3, 9, 10), np.float64, 3)
    layer = _core.ConvLayer(x.shape, w.shape, [1, 1], [(0, 0), (0, 0)], [1, 1], 1, "zero", True)
    dx = np.empty_like(x)
    layer.gradients(grad, x, w, dx, None, None, "nested", 2)
    np.testing.assert_allclose(dx, nn.conv_backward(grad, x, w)[0], rtol=1e-12, atol=1e-12)
    with pytest.raises(ValueError, match="gradients of weights"):
        layer.gradients(grad, x, w, dx, np.empty_like(w), None, "nested", 2)


def test_workers_change_nothing():
    x, w = numbers((2, 33, 40, 41), np.float32, 1), numbers((50, 33, 3, 3), np.float32, 2)
    grad = numbers((2, 50, 40, 41), np.float32, 3)
    one = nn.conv(x, w, padding=1, workers=1), *nn.conv_backward(grad, x, w, padding=1, workers=1)
    four = nn.conv(x, w, padding=1, workers=4), *nn.conv_backward(grad, x, w, padding=1, workers=4)
    for a, b in zip(one, four, strict=True):
        assert (a == b).all()
    for method in METHODS:
        one = nn.conv(x, w, padding=1, method=method, workers=1)
        assert (one == nn.conv(x, w, padding=1, method=method, workers=4)).all()
    for method in BACKWARD:
        one = nn.conv_backward(grad, x, w, padding=1, method=method, workers=1)
        four = nn.conv_backward(grad, x, w, padding=1, method=method, workers=4)
        for a, b in zip(one, four, strict=True):
            assert (a == b).all()


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_strides_and_out(layout):
    x = numbers((4, 12, 20, 22), np.float64, 1)[::2, ::-1, 1::2, ::-2]
    w = numbers((10, 24, 3, 3), np.float64, 2)[:, ::2].transpose(0, 1, 3, 2)
    value = nn.conv(x.copy(), w.copy(), padding=1)
    given = last(x) if layout == "NHWC" else x
    room = np.full((2, 10, 10, 22), np.nan)
    out = room[..., ::2] if layout == "NCHW" else None
    answer = nn.conv(given, w, padding=1, layout=layout, out=out)
    assert out is None or answer is out
    np.testing.assert_allclose(first(answer) if layout == "NHWC" else answer, value, atol=1e-12)


def test_out_may_overlap():
    x, w = numbers((1, 4, 9, 9), np.float32, 1), numbers((4, 4, 3, 3), np.float32, 2)
    value = nn.conv(x, w, padding=1)
    assert nn.conv(x, w, padding=1, out=x) is x
    assert (x == value).all()


def test_dtypes_mix():
    x, w = numbers((1, 3, 8, 8), np.float16, 1), numbers((4, 3, 3, 3), np.float64, 2)
    assert nn.conv(x, w).dtype == np.float64
    np.testing.assert_allclose(nn.conv(x, w), nn.conv(x.astype(np.float64), w), atol=1e-12)
    swapped = x.astype(np.float32).astype(">f4")
    assert (nn.conv(swapped, w) == nn.conv(x, w)).all()


def test_empty_batch():
    x, w = np.zeros((0, 3, 8, 8)), np.ones((4, 3, 3, 3))
    assert nn.conv(x, w).shape == (0, 4, 6, 6)
    dx, dw, db = nn.conv_backward(np.zeros((0, 4, 6, 6)), x, w)
    assert dx.shape == x.shape
    assert not dw.any()
    assert not db.any()


ONES = np.ones  # every call below gets arrays of them


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: nn.conv(ONES((3, 3)), ONES((3, 3))), ValueError, "x has 2 axes"),
        (lambda: nn.conv(ONES((1, 3, 8)), ONES((4, 3, 3, 3))), ValueError, "w has 4 axes and x has 3"),
        (lambda: nn.conv(ONES((1, 3, 8)), ONES((4, 2, 3))), ValueError, "x has 3 channels along axis 1; w takes 2"),
        (lambda: nn.conv(ONES((1, 4, 8)), ONES((5, 2, 3)), groups=2), ValueError, "5 banks along axis 0"),
        (lambda: nn.conv(ONES((1, 4, 8)), ONES((5, 2, 3)), groups=0), ValueError, "groups is 0"),
        (lambda: nn.conv(ONES((1, 4, 8)), ONES((4, 4, 3)), groups=()), TypeError, r"groups is \(\)"),
        (lambda: nn.conv(ONES((1, 4, 8)), ONES((4, 4, 3)), groups=(1, 2)), TypeError, r"groups is \(1, 2\)"),
        (lambda: nn.conv(ONES((1, 3, 8, 4)), ONES((4, 3, 3, 5))), ValueError, "5 samples along axis 3"),
        (lambda: nn.conv(ONES((1, 3, 8)), ONES((4, 3, 3)), stride=0), ValueError, "stride is 0 along axis 2"),
        (lambda: nn.conv(ONES((1, 3, 8)), ONES((4, 3, 3)), dilation=-1), ValueError, "dilation is -1 along axis 2"),
        (lambda: nn.conv(ONES((1, 3, 8)), ONES((4, 3, 3)), padding=-1), ValueError, "padding is -1 along axis 2"),
        (lambda: nn.conv(ONES((1, 3, 8)), ONES((4, 3, 3)), padding=(1, 2)), ValueError, "2 entries for 1"),
        (lambda: nn.conv(ONES((1, 3, 8)), ONES((4, 3, 3)), padding="full"), ValueError, "padding is 'full'"),
        (lambda: nn.conv(ONES((1, 3, 8)), ONES((4, 3, 3)), stride=(1, 2)), ValueError, "2 numbers for 1"),
        (lambda: nn.conv(ONES((1, 3, 8)), ONES((4, 3, 3)), stride=1.5), TypeError, "stride is 1.5"),
        (lambda: nn.conv(ONES((1, 3, 0)), ONES((4, 3, 3)), padding=3), ValueError, "x is empty along axis 2"),
        (lambda: nn.conv(ONES((1, 3, 8)), ONES((4, 3, 0))), ValueError, "w is empty along axis 2"),
        (lambda: nn.conv(ONES((1, 3, 8)), ONES((4, 3, 3)), ONES(5)), ValueError, "bias has shape"),
        (lambda: nn.conv(ONES((1, 3, 8)), ONES((4, 3, 3)), layout="HWC"), ValueError, "layout is 'HWC'"),
        (lambda: nn.conv(ONES((1, 3, 8)), ONES((4, 3, 3)), boundary="constant"), ValueError, "boundary"),
        (lambda: nn.conv(ONES((1, 3, 8)), ONES((4, 3, 3)), method="fast"), ValueError, "method is 'fast'"),
        (lambda: nn.conv(ONES((1, 3, 8), int), ONES((4, 3, 3))), TypeError, "x has dtype int64"),
        (lambda: nn.conv(ONES((1, 3, 8)), ONES((4, 3, 3), complex)), TypeError, "w has dtype complex128"),
        (lambda: nn.conv(ONES((1, 3, 8)), ONES((4, 3, 3)), out=ONES((1, 4, 5))), ValueError, "out has shape"),
        (lambda: nn.conv(ONES((1, 3, 8)), ONES((4, 3, 3)), out=ONES((1, 4, 6), "f4")), TypeError, "out has dtype"),
        (lambda: nn.conv_backward(ONES((1, 4, 5)), ONES((1, 3, 8)), ONES((4, 3, 3))), ValueError, "grad has shape"),
        (lambda: nn.conv_transpose(ONES((1, 3, 8)), ONES((4, 3, 3))), ValueError, "3 channels along axis 1"),
        (lambda: nn.conv_transpose(ONES((1, 3, 8)), ONES((3, 3, 3)), padding="same"), ValueError, "transposed"),
        (lambda: nn.conv_transpose(ONES((1, 3, 8)), ONES((3, 3, 3)), output_padding=1), ValueError, "output_padding"),
        (lambda: nn.conv_transpose(ONES((1, 3, 2)), ONES((3, 3, 3)), padding=2), ValueError, "would have 0 samples"),
        (lambda: nn.conv(ONES((1, 1, 2)), ONES((1, 1, 2)), padding=2**61), MemoryError, "padding is too long"),
        (lambda: nn.conv(ONES((1, 1, 2)), ONES((1, 1, 2)), padding=2**57), MemoryError, None),
        (lambda: nn.conv_transpose(ONES((1, 1, 2)), ONES((1, 1, 2)), stride=2**57), MemoryError, None),
    ],
)  # fmt: skip
def test_bad_input(call, error, match):
    with pytest.raises(error, match=match):
        call()


def test_levels_agree_on_exact_numbers(level):
    """Small integers have exact sums in any order."""
    rng = np.random.default_rng(5)
    x = rng.integers(-8, 9, (2, 21, 17, 30)).astype(np.float32)
    w = rng.integers(-8, 9, (37, 21, 3, 3)).astype(np.float32)
    case = Case(x.shape, w.shape, (1, 1), "same", (1, 1))
    answer = nn.conv(x, w, padding="same", method="direct")
    assert (answer == case.layer().forward(x, w)).all()
    assert faltung._core.level() == level
