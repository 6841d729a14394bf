"""Pooling against the definition: every level, layout, dtype; gradients by finite differences too."""

import itertools
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pool_oracle import Pool

from faltung import nn

# spatial shape, size, stride, padding, dilation, ceil
CASES = [
    ((9,), (3,), (1,), [(1, 1)], (1,), False),
    ((10,), (2,), (2,), [(0, 0)], (1,), False),
    ((40,), (12,), (3,), [(5, 2)], (1,), True),
    ((45,), (9,), (1,), [(0, 8)], (3,), False),
    ((130,), (70,), (7,), [(3, 0)], (1,), True),
    ((7, 7), (3, 3), (2, 2), [(1, 1), (1, 1)], (1, 1), False),
    ((8, 9), (2, 2), (2, 2), [(0, 0), (0, 0)], (1, 1), True),
    ((14, 14), (3, 3), (1, 1), [(1, 1), (1, 1)], (1, 1), False),
    ((11, 37), (5, 4), (3, 2), [(2, 1), (0, 3)], (1, 2), True),
    ((31, 6), (13, 2), (1, 5), [(6, 6), (1, 0)], (1, 1), False),
    ((33, 20), (9, 17), (2, 1), [(0, 0), (8, 8)], (2, 1), False),
    ((5, 5), (5, 5), (5, 5), [(0, 0), (0, 0)], (1, 1), False),
    # one window: over all, over a part, over a part and padding
    ((7, 7), (7, 7), (7, 7), [(0, 0), (0, 0)], (1, 1), False),
    ((3, 2), (3, 2), (1, 1), [(0, 0), (0, 0)], (1, 1), False),
    ((19, 31), (19, 31), (1, 1), [(0, 0), (0, 0)], (1, 1), False),
    ((6, 5, 4), (6, 5, 4), (1, 1, 1), [(0, 0), (0, 0), (0, 0)], (1, 1, 1), False),
    ((50,), (20,), (40,), [(0, 0)], (1,), False),
    ((50,), (37,), (40,), [(3, 0)], (1,), False),
    ((6, 5, 7), (2, 3, 2), (2, 1, 3), [(0, 1), (1, 1), (0, 0)], (1, 1, 1), True),
    ((5, 6, 4), (3, 3, 3), (1, 1, 1), [(1, 1), (1, 1), (1, 1)], (1, 1, 1), False),
    ((4, 12, 5), (2, 9, 1), (1, 2, 2), [(0, 0), (4, 4), (0, 0)], (2, 1, 1), False),
]


def options(case):
    _, size, stride, padding, dilation, ceil = case
    return (size,), {"stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil}


def oracle(x, case):
    return Pool(x, *case[1:])


def last(x):
    """The same samples with channels last."""
    return np.ascontiguousarray(np.moveaxis(x, 1, -1))


def first(x):
    return np.moveaxis(x, -1, 1)


def numbers(rng, shape, dtype=np.float64):
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.3
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, shape, dtype, endpoint=True)
    return rng.standard_normal(shape).astype(dtype)


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}-{case[2]}")
def case(request):
    return request.param


@pytest.mark.parametrize("channels", [1, 17])
def test_values_at_every_level(level, rng, case, channels):
    x = numbers(rng, (2, channels, *case[0]), np.float32)
    args, named = options(case)
    truth = oracle(x, case)
    largest, places = truth.max()
    mean, norm = truth.mean(), truth.norm(2)
    for layout, given_x in (("NCHW", x), ("NHWC", last(x))):
        back = first if layout == "NHWC" else lambda y: y
        np.testing.assert_array_equal(
            back(nn.max_pool(given_x, *args, **named, layout=layout)), largest
        )
        value, place = nn.max_pool(given_x, *args, **named, layout=layout, return_indices=True)
        np.testing.assert_array_equal(back(value), largest)
        np.testing.assert_array_equal(back(place), places)
        np.testing.assert_allclose(
            back(nn.avg_pool(given_x, *args, **named, layout=layout)), mean, rtol=0, atol=1e-6
        )
        np.testing.assert_allclose(
            back(nn.lp_pool(given_x, *args, **named, layout=layout)), norm, rtol=2e-6
        )


@pytest.mark.parametrize(
    ("size", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 1, 1), (2, 3, 1)]
)
def test_planes_that_are_cut_into_pieces(level, rng, size, stride, padding):
    shape = (70, 65)
    case = (shape, (size,) * 2, (stride,) * 2, [(padding, padding)] * 2, (1, 1), False)
    x = numbers(rng, (1, 18, *shape), np.float32)
    args, named = options(case)
    truth = oracle(x, case)
    np.testing.assert_array_equal(nn.max_pool(x, *args, **named), truth.max()[0])
    mean = nn.avg_pool(x, *args, **named)
    np.testing.assert_allclose(mean, truth.mean(), rtol=0, atol=1e-6)
    # the adjoint: <avg_pool(x), g> = <x, its gradient>
    grad = numbers(rng, mean.shape, np.float32)
    back = nn.avg_pool_backward(grad, x, *args, **named)
    inner = (truth.mean() * grad.astype(np.float64)).sum()
    np.testing.assert_allclose((back.astype(np.float64) * x).sum(), inner, rtol=1e-4, atol=1e-2)
    for p in ((0, 0, 0, 0), (0, 17, 69, 64), (0, 9, 34, 31)):  # one sample, by hand
        one = np.zeros_like(x)
        one[p] = 1
        np.testing.assert_allclose(
            back[p], (oracle(one, case).mean() * grad.astype(np.float64)).sum(), rtol=0, atol=1e-6
        )


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_means_in_float64(rng, case, layout):
    x = numbers(rng, (2, 3, *case[0]))
    args, named = options(case)
    truth = oracle(x, case)
    put, back = (last, first) if layout == "NHWC" else ((lambda y: y),) * 2
    for more, expected in (
        ({}, truth.mean()),
        ({"count_include_pad": True}, truth.mean(include_pad=True)),
        ({"divisor": -7}, truth.mean(divisor=-7)),
    ):
        actual = back(nn.avg_pool(put(x), *args, **named, **more, layout=layout))
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-14)
    for p in (1, 3, 0.5):
        actual = back(nn.lp_pool(put(x), *args, **named, p=p, layout=layout))
        np.testing.assert_allclose(actual, truth.norm(p), rtol=1e-13)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_gradients_at_every_level(level, rng, case, layout):
    check_gradients(rng, case, layout, np.float32)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_gradients_in_other_dtypes(rng, case, layout, dtype):
    check_gradients(rng, case, layout, dtype)


def check_gradients(rng, case, layout, dtype):
    x = numbers(rng, (2, 3, *case[0]), dtype)
    args, named = options(case)
    truth = oracle(x, case)
    put, back = (last, first) if layout == "NHWC" else ((lambda y: y),) * 2
    grad = numbers(rng, (2, 3, *truth.out), dtype)
    near = {"rtol": 0, "atol": {2: 2e-2, 4: 5e-6, 8: 1e-13}[np.dtype(dtype).itemsize]}
    named["layout"] = layout
    dx = nn.max_pool_backward(put(grad), put(x), *args, **named)
    assert dx.dtype == dtype
    np.testing.assert_allclose(back(dx), truth.max_gradient(grad.astype(float)), **near)
    _, indices = nn.max_pool(put(x), *args, **named, return_indices=True)
    again = nn.max_pool_backward(put(grad), put(x), *args, **named, indices=indices)
    np.testing.assert_array_equal(again, dx)
    dx = nn.avg_pool_backward(put(grad), put(x), *args, **named)
    np.testing.assert_allclose(back(dx), truth.mean_gradient(grad.astype(float)), **near)
    dx = nn.avg_pool_backward(put(grad), put(x), *args, **named, count_include_pad=True)
    np.testing.assert_allclose(back(dx), truth.mean_gradient(grad.astype(float), True), **near)


def difference(pool, x, grad, step=1e-5):
    """The gradient of sum(grad * pool(x)) by central differences."""
    dx = np.empty_like(x)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += step
        down[i] -= step
        dx[i] = np.vdot(grad, pool(up) - pool(down)) / (2 * step)
    return dx


SMALL = [case for case in CASES if np.prod(case[0]) <= 150]


@pytest.mark.parametrize("p", [1, 2, 2.5, 4])
@pytest.mark.parametrize("case", SMALL, ids=str)
def test_gradient_of_the_norm_by_differences(rng, case, p):
    shape = (1, 2, *case[0])
    x = rng.uniform(0.1, 1, shape) * rng.choice([-1, 1], shape)
    args, named = options(case)
    named["p"] = p
    y = nn.lp_pool(x, *args, **named)
    grad = rng.standard_normal(y.shape)
    expected = difference(lambda x: nn.lp_pool(x, *args, **named), x, grad)
    np.testing.assert_allclose(nn.lp_pool_backward(grad, x, *args, **named), expected, atol=1e-8)
    actual = nn.lp_pool_backward(last(grad), last(x), *args, **named, layout="NHWC")
    np.testing.assert_allclose(first(actual), expected, atol=1e-8)


def test_gradient_of_the_norm_at_zero():
    x = np.zeros((1, 1, 4))
    x[0, 0, 3] = 2
    for p in (1, 2, 3):
        np.testing.assert_array_equal(
            nn.lp_pool_backward(np.ones((1, 1, 2)), x, 2, p=p), [[[0, 0, 0, 1]]]
        )


DTYPES = [
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
    "float16", "float32", "float64",
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(rng, dtype):
    case = CASES[8]
    x = numbers(rng, (2, 3, *case[0]), dtype)
    args, named = options(case)
    values, places = oracle(x, case).max()
    swapped = x.astype(x.dtype.newbyteorder(">"))
    for layout, put, back in (("NCHW", lambda y: y, lambda y: y), ("NHWC", last, first)):
        for version in (x, swapped):
            actual = nn.max_pool(put(version), *args, **named, layout=layout)
            assert actual.dtype == dtype
            np.testing.assert_array_equal(back(actual), values)
            found = nn.max_pool(put(version), *args, **named, layout=layout, return_indices=True)
            np.testing.assert_array_equal(back(found[0]), values)
            np.testing.assert_array_equal(back(found[1]), places)
        mean = nn.avg_pool(put(x), *args, **named, layout=layout)
        assert mean.dtype == (dtype if x.dtype.kind == "f" else np.float64)
        rtol = 1e-3 if dtype == "float16" else 1e-5 if dtype == "float32" else 1e-12
        exact = oracle(x, case).mean()
        np.testing.assert_allclose(back(mean), exact, rtol=rtol, atol=rtol * np.abs(exact).max())


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_nan_and_infinity(level, dtype, layout, rng):
    put, back = (last, first) if layout == "NHWC" else ((lambda y: y),) * 2
    for special in (np.nan, np.inf, -np.inf):
        x = numbers(rng, (1, 20, 9, 40), dtype)
        x[0, ::3, 4, 17] = special
        x[0, 2, :4] = -np.inf
        x[0, 5, 3, 15:19] = np.nan
        case = ((9, 40), (3, 9), (2, 1), [(1, 1), (4, 4)], (1, 1), False)
        args, named = options(case)
        values, places = oracle(x, case).max()
        actual = nn.max_pool(put(x), *args, **named, layout=layout, return_indices=True)
        np.testing.assert_array_equal(back(actual[0]), values)
        np.testing.assert_array_equal(back(actual[1]), places)
        np.testing.assert_array_equal(
            back(nn.max_pool(put(x), *args, **named, layout=layout)), values
        )
        # sums: the same outputs as by the definition, and no others
        with np.errstate(invalid="ignore"):
            clean = nn.avg_pool(put(np.where(np.isfinite(x), x, 0)), *args, **named, layout=layout)
            mean = nn.avg_pool(put(x), *args, **named, layout=layout)
        spoilt = nn.max_pool(put(~np.isfinite(x)), *args, **named, layout=layout)
        np.testing.assert_array_equal(np.isfinite(mean), ~spoilt)
        np.testing.assert_array_equal(mean[~spoilt], clean[~spoilt])


@pytest.mark.parametrize("side", [2, 5, 7, 20])
def test_nan_in_planes_of_one_window(level, rng, side):
    x = numbers(rng, (2, 40, side, side), np.float32)
    x[1, 3, 1, 1] = x[1, 3, -1, -1] = x[0, 39, -1, -1] = np.nan
    x[0, 7] = -np.inf
    values, places = nn.max_pool(x, side, return_indices=True)
    flat = x.reshape(2, 40, -1)
    np.testing.assert_array_equal(places[..., 0, 0], flat.argmax(-1))
    np.testing.assert_array_equal(values[..., 0, 0], flat.max(-1))
    np.testing.assert_array_equal(nn.max_pool(x, side), values)
    np.testing.assert_array_equal(np.isnan(nn.avg_pool(x, side))[..., 0, 0], np.isnan(flat).any(-1))


@pytest.mark.parametrize("channels", [40, 384, 1300])  # one group of lanes, and several
@pytest.mark.parametrize("side", [3, 19])  # sums that are added up once, and several times
def test_one_window_on_planes_with_channels_inside(level, rng, channels, side):
    x = rng.standard_normal((2, side, side, channels)).astype(np.float32)
    wide = x.astype(np.float64)
    plane = (1, 2)
    largest = nn.max_pool(x, side, layout="NHWC")
    np.testing.assert_array_equal(largest, x.max(axis=plane, keepdims=True))
    mean = nn.avg_pool(x, side, layout="NHWC")
    np.testing.assert_allclose(mean, wide.mean(axis=plane, keepdims=True), rtol=0, atol=1e-6)
    norm = nn.lp_pool(x, side, p=2, layout="NHWC")
    np.testing.assert_allclose(norm, np.sqrt((wide**2).sum(axis=plane, keepdims=True)), rtol=1e-6)


def test_equal_samples_take_the_first(rng):
    x = rng.integers(0, 3, (2, 4, 12, 13)).astype(np.float32)
    for case in (((12, 13), (5, 9), (1, 2), [(2, 2), (4, 4)], (1, 1), False),
                 ((12, 13), (12, 13), (1, 1), [(0, 0), (0, 0)], (1, 1), False)):  # fmt: skip
        args, named = options(case)
        places = oracle(x, case).max()[1]
        np.testing.assert_array_equal(
            nn.max_pool(x, *args, **named, return_indices=True)[1], places
        )
        found = nn.max_pool(last(x), *args, **named, layout="NHWC", return_indices=True)[1]
        np.testing.assert_array_equal(first(found), places)


def strided(x):
    """The same samples at unusual places in memory."""
    yield x.copy(order="F")
    yield x[..., ::-1].copy()[..., ::-1]
    wide = np.zeros((*x.shape[:-1], 3 * x.shape[-1]), x.dtype)
    wide[..., 1::3] = x
    yield wide[..., 1::3]
    axes = np.random.default_rng(3).permutation(x.ndim)
    yield np.ascontiguousarray(x.transpose(axes)).transpose(np.argsort(axes))
    yield last(np.repeat(x, 2, axis=1))[..., ::2].transpose(0, -1, *range(1, x.ndim - 1))
    more = np.zeros((*x.shape[:1], *x.shape[2:], x.shape[1] + 3), x.dtype)
    more[..., 2 : 2 + x.shape[1]] = last(x)
    yield first(more[..., 2 : 2 + x.shape[1]])
    odd = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    odd[...] = x
    odd.setflags(write=False)
    yield odd


def test_layouts_of_memory(rng, case):
    x = numbers(rng, (2, 6, *case[0]), np.float32)
    args, named = options(case)
    values, places = nn.max_pool(x, *args, **named, return_indices=True)
    grad = numbers(rng, values.shape, np.float32)
    mean = nn.avg_pool(x, *args, **named)
    for same in strided(x):
        assert not np.shares_memory(same, x)
        np.testing.assert_array_equal(same, x)
        np.testing.assert_array_equal(nn.max_pool(same, *args, **named), values)
        found = nn.max_pool(same, *args, **named, return_indices=True)
        np.testing.assert_array_equal(found[0], values)
        np.testing.assert_array_equal(found[1], places)
        np.testing.assert_allclose(nn.avg_pool(same, *args, **named), mean, atol=1e-6)
        for backward in (nn.max_pool_backward, nn.avg_pool_backward):
            expected = backward(grad, x, *args, **named)
            for given_grad in (grad, grad.copy(order="F"), first(last(grad))):
                np.testing.assert_allclose(
                    backward(given_grad, same, *args, **named), expected, atol=1e-5
                )


def test_broadcast_samples(rng):
    x = np.broadcast_to(numbers(rng, (1, 1, 1, 12)), (2, 3, 10, 12))
    np.testing.assert_array_equal(
        nn.max_pool(x, 3, padding=1), Pool(x, (3, 3), None, [(1, 1), (1, 1)]).max()[0]
    )
    np.testing.assert_allclose(nn.avg_pool(x, 3), Pool(x, (3, 3)).mean())


class TestGlobal:
    @pytest.mark.parametrize("shape", [(5000,), (9, 7), (70, 90), (3, 40, 50)], ids=str)
    @pytest.mark.parametrize("channels", [1, 3, 64])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
    def test_against_numpy(self, level, rng, shape, channels, dtype):
        x = numbers(rng, (2, channels, *shape), dtype)
        axes = tuple(range(2, x.ndim))
        rtol = {2: 2e-3, 4: 1e-5, 8: 1e-12}[x.dtype.itemsize]
        wide = x.astype(np.float64)
        for layout, put, back in (("NCHW", lambda y: y, lambda y: y), ("NHWC", last, first)):
            np.testing.assert_array_equal(
                back(nn.global_max_pool(put(x), layout=layout)), x.max(axes, keepdims=True)
            )
            np.testing.assert_allclose(
                back(nn.global_avg_pool(put(x), layout=layout)), wide.mean(axes, keepdims=True),
                rtol=rtol, atol=rtol * 0.02,
            )  # fmt: skip
            for p in (1, 2, 3):
                expected = (np.abs(wide) ** p).sum(axes, keepdims=True) ** (1 / p)
                np.testing.assert_allclose(
                    back(nn.global_lp_pool(put(x), p=p, layout=layout)), expected, rtol=rtol
                )
            size = x.shape[2:]
            places = nn.max_pool(put(x), size, return_indices=True, layout=layout)[1]
            np.testing.assert_array_equal(
                back(places).ravel(), x.reshape(2 * channels, -1).argmax(-1)
            )

    def test_gradients(self, rng):
        x = numbers(rng, (2, 4, 60, 50))
        grad = numbers(rng, (2, 4, 1, 1))
        for layout, put, back in (("NCHW", lambda y: y, lambda y: y), ("NHWC", last, first)):
            dx = back(nn.global_avg_pool_backward(put(grad), put(x), layout=layout))
            np.testing.assert_allclose(dx, np.broadcast_to(grad / 3000, x.shape))
            dx = back(nn.global_max_pool_backward(put(grad), put(x), layout=layout))
            where = x == x.max((2, 3), keepdims=True)
            np.testing.assert_array_equal(dx, where * grad)
            norm = np.sqrt((x**2).sum((2, 3), keepdims=True))
            dx = back(nn.global_lp_pool_backward(put(grad), put(x), layout=layout))
            np.testing.assert_allclose(dx, grad * x / norm, rtol=1e-12)

    def test_a_constant_stays_itself(self, rng):
        for value in (0.1, 1 / 3, 7.3):
            for size in (3, 5, 7, 49):
                x = np.full((1, 2, 60, 60), value, np.float32)
                y = nn.avg_pool(x, size, stride=1, padding=1)
                np.testing.assert_allclose(y, x[0, 0, 0, 0], rtol=3e-7)
        ones = np.ones((1, 2, 60, 60), np.float32)
        for size in (3, 5, 7, 49, 60):
            np.testing.assert_array_equal(nn.avg_pool(ones, size, stride=1), 1)


@given(st.data())
def test_anything(data):
    rank = data.draw(st.integers(1, 3))
    shape = data.draw(st.tuples(*[st.integers(1, (60, 14, 7)[rank - 1])] * rank))
    size, stride, padding, dilation = [], [], [], []
    for n in shape:
        dilation.append(data.draw(st.integers(1, 3)))
        size.append(data.draw(st.integers(1, max(1, n))))
        reach = (size[-1] - 1) * dilation[-1] + 1
        need = max(0, reach - n)
        before = data.draw(st.integers(0, reach - 1))
        padding.append(
            (before, data.draw(st.integers(max(0, need - before), max(need, reach - 1))))
        )
        stride.append(data.draw(st.integers(1, 4)))
    case = (shape, tuple(size), tuple(stride), padding, tuple(dilation), data.draw(st.booleans()))
    channels = data.draw(st.sampled_from([1, 2, 3, 16, 17]))
    seed = data.draw(st.integers(0, 2**32 - 1))
    x = np.random.default_rng(seed).integers(-9, 10, (2, channels, *shape)).astype(np.float32)
    args, named = options(case)
    truth = oracle(x, case)
    lonely = any(not under for _, _, _, under, _ in truth.each()) or any(
        max(pair) >= (k - 1) * d + 1 for pair, k, d in zip(padding, size, dilation, strict=True)
    )
    if lonely:
        with pytest.raises(ValueError, match="padding|no sample"):
            nn.max_pool(x, *args, **named)
        return
    values, places = truth.max()
    for layout, put, back in (("NCHW", lambda y: y, lambda y: y), ("NHWC", last, first)):
        named["layout"] = layout
        np.testing.assert_array_equal(back(nn.max_pool(put(x), *args, **named)), values)
        found = nn.max_pool(put(x), *args, **named, return_indices=True)
        np.testing.assert_array_equal(back(found[1]), places)
        # the gradient is the adjoint: <grad, pool(x)> == <gradient(grad), x>
        y = nn.avg_pool(put(x), *args, **named)
        grad = np.random.default_rng(seed + 1).integers(-9, 10, y.shape).astype(np.float32)
        dx = nn.avg_pool_backward(grad, put(x), *args, **named)
        both = (
            np.vdot(grad.astype(float), y.astype(float)),
            np.vdot(dx.astype(float), put(x).astype(float)),
        )
        scale = np.abs(grad).sum() * 9 + 1
        assert abs(both[0] - both[1]) <= 1e-5 * scale
        dx = nn.max_pool_backward(grad, put(x), *args, **named)
        np.testing.assert_array_equal(back(dx), truth.max_gradient(back(grad)))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_workers_change_nothing(rng, layout):
    x = numbers(rng, (3, 40, 60, 61), np.float32)
    x = last(x) if layout == "NHWC" else x
    y = nn.max_pool(x, 3, stride=2, padding=1, layout=layout)
    for call, arguments, options in (
        (nn.max_pool, (x, 3), {"stride": 2, "padding": 1}),
        (nn.avg_pool, (x, 11), {"stride": 1, "padding": 5}),
        (nn.lp_pool, (x, 3), {}),
        (nn.global_avg_pool, (x,), {}),
        (nn.max_pool_backward, (y, x, 3), {"stride": 2, "padding": 1}),
        (nn.avg_pool_backward, (y, x, 3), {"stride": 2, "padding": 1}),
    ):
        one = call(*arguments, **options, layout=layout, workers=1)
        for workers in (2, 3):
            more = call(*arguments, **options, layout=layout, workers=workers)
            np.testing.assert_array_equal(more, one)


def test_threads_at_once(rng):
    x = numbers(rng, (2, 16, 50, 50), np.float32)
    expected = nn.max_pool(x, 3)
    wrong = []

    def work():
        for _ in range(20):
            if not np.array_equal(nn.max_pool(x, 3), expected):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_empty_batches_are_answered():
    for shape in ((0, 3, 8, 8), (2, 0, 8, 8)):
        x = np.ones(shape, np.float32)
        assert nn.max_pool(x, 2).shape == (*shape[:2], 4, 4)
        assert nn.max_pool_backward(np.ones((*shape[:2], 4, 4)), x, 2).shape == shape
        assert nn.avg_pool_backward(np.ones((*shape[:2], 4, 4)), x, 2).shape == shape


def test_same_padding(rng):
    for n, k, s, d in itertools.product((5, 6, 9), (1, 2, 3), (1, 2, 3), (1, 2)):
        x = numbers(rng, (1, 1, n))
        y = nn.max_pool(x, k, stride=s, dilation=d, padding="same")
        assert y.shape[2] == -(-n // s)
        total = max(0, (y.shape[2] - 1) * s + (k - 1) * d + 1 - n)
        pair = [(total // 2, total - total // 2)]
        np.testing.assert_array_equal(y, nn.max_pool(x, k, stride=s, dilation=d, padding=pair))


class TestErrors:
    x = np.ones((2, 3, 8, 9), np.float32)

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"size": 0}, ("size", "0", "axis 2")),
            ({"size": (2, -1)}, ("size", "-1", "axis 3")),
            ({"size": 9}, ("size 9", "axis 2", "8 samples")),
            ({"size": (2, 2, 2)}, ("size", "3", "2")),
            ({"size": 2, "stride": 0}, ("stride", "0", "axis 2")),
            ({"size": 2, "dilation": 0}, ("dilation", "0")),
            ({"size": 2, "padding": -1}, ("padding", "-1")),
            ({"size": 2, "padding": 2}, ("padding", "2", "axis 2")),
            ({"size": 3, "padding": [(0, 3), (0, 0)]}, ("padding", "3", "axis 2")),
            ({"size": 2, "padding": "full"}, ("padding", "full", "same", "valid")),
            ({"size": 2, "layout": "NCWH"}, ("layout", "NCWH", "NHWC")),
            ({"size": 2, "dilation": 2**61}, ("dilation",)),
        ],
        ids=str,
    )
    def test_numbers(self, options, words):
        size = options.pop("size") if "size" in options else 2
        for call in (nn.max_pool, nn.avg_pool, nn.lp_pool):
            with pytest.raises(ValueError, match=words[0]) as caught:
                call(self.x, size, **options)
            for word in words:
                assert word in str(caught.value)
        options["size"] = size

    def test_axes_count_in_the_callers_layout(self):
        with pytest.raises(ValueError, match="axis 1 of x"):
            nn.max_pool(np.ones((2, 4, 9, 3)), 5, layout="NHWC")

    def test_a_window_between_the_samples(self):
        with pytest.raises(ValueError, match="holds no sample"):
            nn.max_pool(np.ones((1, 1, 2)), 2, dilation=3, stride=1, padding=1)

    def test_kinds(self):
        with pytest.raises(TypeError, match="complex"):
            nn.max_pool(self.x.astype(complex), 2)
        with pytest.raises(TypeError, match="masked"):
            nn.avg_pool(np.ma.array(self.x), 2)
        with pytest.raises(TypeError, match="size"):
            nn.max_pool(self.x, 2.0)
        with pytest.raises(TypeError, match="int64"):
            nn.max_pool_backward(self.x, np.ones((2, 3, 8, 9), int), 2)
        with pytest.raises(ValueError, match="axes"):
            nn.max_pool(np.ones((3, 4)), 2)
        with pytest.raises(ValueError, match="empty"):
            nn.max_pool(np.ones((2, 3, 0)), 1)
        with pytest.raises(ValueError, match="divisor"):
            nn.avg_pool(self.x, 2, divisor=0)
        for p in (0, -1, np.inf, np.nan):
            with pytest.raises(ValueError, match="p must be"):
                nn.lp_pool(self.x, 2, p=p)
        for p in ("2", 2j, None, [2]):
            with pytest.raises(TypeError, match="p must be"):
                nn.lp_pool(self.x, 2, p=p)
        with pytest.raises(TypeError, match="divisor is"):
            nn.avg_pool(self.x, 2, divisor=(1, 2))

    def test_gradients_have_the_results_shape(self):
        for call in (nn.max_pool_backward, nn.avg_pool_backward, nn.lp_pool_backward):
            with pytest.raises(ValueError, match=r"grad.*\(2, 3, 4, 4\)"):
                call(np.ones((2, 3, 4, 5)), self.x, 2)

    def test_indices(self):
        grad = np.ones((2, 3, 4, 4))
        for wrong in (-1, 72, 2**40):
            indices = np.zeros((2, 3, 4, 4), int)
            indices[1, 2, 3, 3] = wrong
            with pytest.raises(ValueError, match=f"indices holds {wrong}.*0 to 71"):
                nn.max_pool_backward(grad, self.x, 2, indices=indices)
        with pytest.raises(ValueError, match=r"indices.*\(2, 3, 4, 4\)"):
            nn.max_pool_backward(grad, self.x, 2, indices=indices[:1])
        with pytest.raises(TypeError, match="indices.*float64"):
            nn.max_pool_backward(grad, self.x, 2, indices=grad)

    def test_huge(self):
        huge = np.broadcast_to(np.float32(1), (1, 1, 2**45))
        with pytest.raises(MemoryError):
            nn.max_pool(huge, 3)
        with pytest.raises(MemoryError):
            nn.max_pool(np.ones((1, 1, 5)), 2, dilation=2**59 + 2, padding=2**59, stride=2**59)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("shape", "size"),
    [((40, 40), (7, 7)), ((300, 200), (150, 9)), ((1000, 1000), (1000, 1000))],
    ids=str,
)
def test_accuracy_of_averages(level, rng, dtype, shape, size):
    x = (rng.random((1, 2, *shape)) + 1).astype(dtype)  # of one sign: errors do not hide
    n, epsilon = np.prod(size), np.finfo(dtype).eps
    exact = x.astype(np.longdouble)
    for layout, put, back in (("NCHW", lambda y: y, lambda y: y), ("NHWC", last, first)):
        means = back(nn.avg_pool(put(x), size, layout=layout))
        for c, y, z in np.ndindex(2, *means.shape[2:]):
            window = exact[0, c, y * size[0] : (y + 1) * size[0], z * size[1] : (z + 1) * size[1]]
            error = abs(means[0, c, y, z] - window.mean())
            assert error <= 4 * epsilon * np.log2(2 + n) * window.mean()
