"""Template matching against Pearson's coefficient of every window, as it is defined."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import BOUNDARIES, MODES, outputs_of, source_of

import faltung


def windows_of(x, extents, mode="valid", boundary="zero", cval=0.0):
    """Every window, with the template's axes last; and which of its samples lie inside x."""
    inside = np.ones(x.shape, bool)
    for axis, (n, taps) in enumerate(zip(x.shape, extents, strict=True)):
        first, count = outputs_of(n, taps, mode)
        source, outside = source_of(np.arange(first, first + count + taps - 1), n, boundary)
        x, inside = np.take(x, source, axis=axis), np.take(inside, source, axis=axis)
        inside &= ~outside.reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    x = np.where(inside, x, cval if boundary == "constant" else 0).astype(np.longdouble)
    view = np.lib.stride_tricks.sliding_window_view
    return view(x, extents), view(inside, extents)


def pearson(windows, template, keep=None):
    """The score of every window, in longdouble; `keep` broadcasts against the windows."""
    template = template.astype(np.longdouble)
    axes = tuple(range(-template.ndim, 0))
    keep = np.broadcast_to(True if keep is None else keep, windows.shape)
    bad = (keep & ~np.isfinite(windows)).any(axes)
    windows = np.where(keep & np.isfinite(windows), windows, 0)
    count = np.maximum(keep.sum(axes, keepdims=True), 1)
    first = np.take_along_axis(
        windows.reshape(*bad.shape, -1), keep.reshape(*bad.shape, -1).argmax(-1)[..., None], -1
    ).reshape(*bad.shape, *[1] * template.ndim)
    dw = np.where(keep, windows - first, 0)
    dw = np.where(keep, dw - dw.sum(axes, keepdims=True) / count, 0)
    dt = np.where(keep, template - template.flat[0], 0)
    dt = np.where(keep, dt - dt.sum(axes, keepdims=True) / count, 0)
    norm = np.sqrt((dw**2).sum(axes) * (dt**2).sum(axes))
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = np.where(norm > 0, (dw * dt).sum(axes) / norm, 0)
    return np.where(bad, np.nan, scores)


def assert_scores(actual, expected, tolerance):
    assert actual.shape == expected.shape
    np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected))
    assert np.nanmax(np.abs(actual), initial=0) <= 1
    assert np.nanmax(np.abs(actual - expected), initial=0) <= tolerance


def close_to(dtype):
    return 2e-6 if dtype == np.float32 else 1e-12


def scene(rng, shape, dtype=np.float64):
    x = rng.random(shape)
    dtype = np.dtype(dtype)
    return (x * 200).astype(dtype) if dtype.kind in "iu" else x.astype(dtype)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int16", "uint16", "int64", "float16", "float32", "float64", "bool"]
)
@pytest.mark.parametrize(
    ("shape", "extents"),
    [((300,), (21,)), ((70, 90), (8, 11)), ((90, 70), (1, 9)), ((90, 70), (9, 1)), ((17, 20, 23), (4, 3, 6))],
)  # fmt: skip
def test_scores_are_pearsons(level, rng, shape, extents, dtype):
    x, t = scene(rng, shape), scene(rng, extents)
    x, t = (
        (x > 0.5, t > 0.5)
        if dtype == "bool"
        else (scene(rng, shape, dtype), scene(rng, extents, dtype))
    )
    result = faltung.match_template(x, t)
    assert result.dtype == (np.float64 if dtype in ("int64", "float64") else np.float32)
    assert_scores(result, pearson(windows_of(x, extents)[0], t), close_to(result.dtype))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_boundaries(rng, mode, boundary):
    x, t = scene(rng, (30, 41), np.float32), scene(rng, (7, 10), np.float32)
    result = faltung.match_template(x, t, mode, boundary=boundary, cval=0.25)
    assert_scores(result, pearson(windows_of(x, t.shape, mode, boundary, 0.25)[0], t), 2e-6)


@pytest.mark.parametrize("mode", ["same", "full"])
def test_template_larger_than_the_image(rng, mode):
    x, t = scene(rng, (6, 9)), scene(rng, (11, 10))
    result = faltung.match_template(x, t, mode, boundary="wrap")
    assert_scores(result, pearson(windows_of(x, t.shape, mode, "wrap")[0], t), 1e-12)


def test_many_tiles(level, rng):
    x, t = scene(rng, (700, 530), np.float32), scene(rng, (40, 33), np.float32)
    t = x[300:340, 200:233] + 0.2 * t
    result = faltung.match_template(x, t)
    assert np.unravel_index(result.argmax(), result.shape) == (300, 200)
    rows = [0, 57, 300, 660]
    for row in rows:
        expected = pearson(windows_of(x[row : row + 40], t.shape)[0], t)
        assert_scores(result[row : row + 1], expected, 2e-6)


def test_long_signal(rng):
    x = rng.standard_normal(200_000).astype(np.float32)
    t = x[150_000:153_000] + 0.5 * rng.standard_normal(3000).astype(np.float32)
    result = faltung.match_template(x, t)
    assert result.argmax() == 150_000
    some = slice(149_990, 150_020)
    expected = pearson(windows_of(x[149_990 : 150_019 + 3000], (3000,))[0], t)
    assert_scores(result[some], expected, 2e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [1e3, 1e6])
def test_an_offset_costs_nothing(level, rng, dtype, offset):
    x = (rng.standard_normal((150, 90)) + offset).astype(dtype)
    t = x[30:40, 50:60].copy()
    result = faltung.match_template(x, t)
    assert_scores(result, pearson(windows_of(x, t.shape)[0], t), close_to(dtype) * 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-35, 1e-18, 1e18, 1e35])
def test_extreme_magnitudes(rng, dtype, scale):
    x = (rng.standard_normal((60, 70)) * scale).astype(dtype)
    t = x[30:40, 50:62].copy()
    result = faltung.match_template(x, t)
    assert_scores(result, pearson(windows_of(x, t.shape)[0], t), 2e-6)
    if dtype == np.float64:
        x = x / scale * scale**8
        t = x[30:40, 50:62].copy()
        assert_scores(faltung.match_template(x, t), result.astype(np.float64), 2e-6)


@pytest.mark.parametrize(("dtype", "unit"), [(np.float32, 2.0**-20), (np.float64, 2.0**-46)])
@pytest.mark.parametrize("contrast", [1, 30, 450, 1500, 1e5])
def test_stated_bound(level, rng, dtype, unit, contrast):
    x = rng.standard_normal((120, 200))
    x[:, 100:] *= contrast
    x, t = x.astype(dtype), rng.standard_normal((15, 12)).astype(dtype)
    result = faltung.match_template(x, t)
    windows, _ = windows_of(x[40:64], t.shape)
    bound = np.maximum(1, contrast / np.std(windows.astype(float), (-1, -2))) * unit
    error = np.abs(result[40:50] - pearson(windows, t))
    assert (error <= np.minimum(bound, 2.0**-11)).all()


@pytest.mark.parametrize("contrast", [1e2, 1e4, 1e7, 1e12])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_faint_windows_beside_bright_ones(level, rng, dtype, contrast):
    x = rng.standard_normal((120, 130)).astype(dtype)
    x[50, 60] = contrast
    t = x[5:17, 7:21].copy()
    result = faltung.match_template(x, t)
    assert_scores(
        result, pearson(windows_of(x, t.shape)[0], t), 2e-4 if dtype == np.float32 else 1e-8
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_flat_windows_score_zero(level, rng, dtype):
    x = np.full((100, 140), 7, dtype)
    x[:, 70:] = 200
    x[40:60, 20:50] = scene(rng, (20, 30), np.uint8).astype(dtype)
    if dtype != np.uint8:
        x *= dtype(0.1)
    t = x[42:52, 25:39].copy()
    result = faltung.match_template(x, t)
    windows = windows_of(x, t.shape)[0]
    flat = (windows == windows[..., :1, :1]).all((-1, -2))
    assert flat.any()
    assert (result[flat] == 0).all()
    assert_scores(result, pearson(windows, t), 2e-4)


@pytest.mark.parametrize("value", [0, 0.1, 1e30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_image_and_constant_template(rng, value, dtype):
    flat = np.full((50, 60), value, dtype)
    t = scene(rng, (5, 6), dtype)
    assert not faltung.match_template(flat, t).any()
    assert not faltung.match_template(scene(rng, (50, 60), dtype), flat[:5, :6]).any()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_nan_stays_local(level, rng, dtype):
    x = scene(rng, (200, 210), dtype)
    x[50, 60], x[120, 7] = np.nan, np.inf
    t = scene(rng, (9, 12), dtype)
    result = faltung.match_template(x, t)
    assert np.isnan(result).sum() == 2 * 9 * 12 - 9 * 4
    assert_scores(result, pearson(windows_of(x, t.shape)[0], t), 2e-6)
    # a flat template has no score, but what cannot be known stays unknown
    unknown = faltung.match_template(x, np.ones_like(t))
    np.testing.assert_array_equal(np.isnan(unknown), np.isnan(result))
    assert not np.nan_to_num(unknown).any()


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_template_mask(level, rng, dtype):
    x, t = scene(rng, (60, 70), dtype), scene(rng, (11, 13), dtype)
    mask = np.hypot(*np.ogrid[-1:1:11j, -1:1:13j]) <= 1
    result = faltung.match_template(x, t, mask=mask)
    assert_scores(result, pearson(windows_of(x, t.shape)[0], t, mask), close_to(result.dtype))
    t = t.astype(np.float64)
    t[~mask] = np.nan  # what does not count may be anything
    again = faltung.match_template(x, t, mask=mask.astype(np.uint8))
    assert_scores(again, result.astype(np.float64), 1e-6)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("boundary", ["zero", "symmetric"])
def test_image_mask(rng, mode, boundary):
    x, t = scene(rng, (50, 60)), scene(rng, (8, 9))
    keep = rng.random(x.shape) < 0.8
    keep[10:25, 10:30] = False  # windows of which nothing counts
    x[3, 3], keep[3, 3] = np.nan, False
    x[40, 40], keep[40, 40] = np.nan, True
    mask = rng.random(t.shape) < 0.9
    result = faltung.match_template(x, t, mode, boundary=boundary, mask=mask, image_mask=keep)
    windows, inside = windows_of(x, t.shape, mode, boundary)
    kept, _ = windows_of(keep, t.shape, mode, boundary)
    kept = (kept != 0) & mask & (inside if boundary == "zero" else True)
    assert_scores(result, pearson(windows, t, kept), 1e-9)


def test_axes_and_batches(rng):
    x, t = scene(rng, (3, 40, 4, 50)), scene(rng, (6, 8))
    result = faltung.match_template(x, t, axes=(3, 1))
    for i in range(3):
        for c in range(4):
            expected = pearson(windows_of(x[i, :, c], (8, 6))[0], t.T)
            assert_scores(result[i, :, c], expected, 1e-12)
    photo = scene(rng, (30, 40, 3), np.uint8) + np.array([0, 50, 0], np.uint8)
    result = faltung.match_template(photo, photo[3:9, 4:11, 1], axes=(0, 1))
    assert result.shape == (25, 34, 3)
    assert_scores(
        result[..., 2],
        pearson(windows_of(photo[..., 2], (6, 7))[0], photo[3:9, 4:11, 1]),
        2e-6,
    )
    assert faltung.match_template(x[:0], t, axes=(1, 3)).shape == (0, 35, 4, 43)


def test_layouts(rng):
    x, t = scene(rng, (60, 71), np.float32), scene(rng, (9, 10), np.float32)
    expected = faltung.match_template(x, t)
    for same in (np.asfortranarray(x), x.astype(">f4"), np.repeat(x, 2, axis=1)[:, ::2]):
        assert_scores(faltung.match_template(same, t), expected, 1e-6)
    assert_scores(faltung.match_template(x[::-1], t[::-1]), expected[::-1], 1e-6)
    out = np.full((2 * 52, 62), 9, np.float64)[::2]
    assert faltung.match_template(x, t, out=out, dtype=np.float64) is out
    assert_scores(out, expected, 1e-6)
    half = faltung.match_template(x, t, dtype=np.float16)
    assert half.dtype == np.float16
    assert_scores(half, expected, 1e-3)


def test_workers_change_nothing(rng):
    x, t = scene(rng, (400, 500), np.float32), scene(rng, (20, 20), np.float32)
    x[100, 100] = 1e9
    one = faltung.match_template(x, t, workers=1)
    for workers in (2, 3):
        np.testing.assert_array_equal(faltung.match_template(x, t, workers=workers), one)


def greedy(scores, window, most):
    """Peaks by looking at the whole map anew for each."""
    scores = np.where(np.isnan(scores), -np.inf, scores)
    found = []
    for _ in range(most):
        at = np.unravel_index(scores.argmax(), scores.shape)
        if scores[at] == -np.inf:
            break
        found.append((*map(int, at), float(scores[at])))
        near = tuple(slice(max(0, i - w + 1), i + w) for i, w in zip(at, window, strict=True))
        scores[near] = -np.inf
    return found


@pytest.mark.parametrize("mode", MODES)
def test_peaks(rng, mode):
    x, t = scene(rng, (60, 2100), np.float32), scene(rng, (7, 9), np.float32)
    x[30:37, 1020:1029] = x[3:10, 5:14] = t  # equal scores
    scores = faltung.match_template(x, t, mode)
    positions, values = faltung.match_template(x, t, mode, peaks=40)
    first = [outputs_of(n, taps, mode)[0] for n, taps in zip(x.shape, t.shape, strict=True)]
    expected = greedy(scores, t.shape, 40)
    np.testing.assert_array_equal(positions - first, [peak[:2] for peak in expected])
    np.testing.assert_array_equal(values, [peak[2] for peak in expected])
    assert {tuple(p) for p in positions[:2].tolist()} == {(3, 5), (30, 1020)}


def test_equal_peaks_come_in_order():
    found = faltung.match_template(np.zeros((4, 12)), np.eye(3), peaks=100)
    assert found.positions.tolist() == [[0, 0], [0, 3], [0, 6], [0, 9]]
    found = faltung.match_template(np.zeros((3, 8)), np.eye(2), "full", peaks=4)
    assert found.positions.tolist() == [[-1, -1], [-1, 1], [-1, 3], [-1, 5]]


def test_peaks_of_a_batch(rng):
    x, t = scene(rng, (3, 90)), scene(rng, (10,))
    x[1, 20:60] = np.nan
    found = faltung.match_template(x, t, axes=1, peaks=50)
    assert found.positions.shape == (*found.scores.shape, 1) == (3, found.scores.shape[1], 1)
    for i in range(3):
        expected = greedy(faltung.match_template(x[i], t), t.shape, 50)
        some = len(expected)
        np.testing.assert_array_equal(found.positions[i, :some, 0], [p[0] for p in expected])
        assert np.isnan(found.scores[i, some:]).all()
        assert (found.positions[i, some:] == -1).all()
    assert np.isnan(found.scores).any()
    assert faltung.match_template(x, t, axes=1, peaks=0).positions.shape == (3, 0, 1)


@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    extents=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    mode=st.sampled_from(MODES),
    boundary=st.sampled_from(BOUNDARIES),
    dtype=st.sampled_from(["uint8", "float32", "float64"]),
    levels=st.integers(1, 300),
    seed=st.integers(0, 2**32),
)
def test_any_image(shape, extents, mode, boundary, dtype, levels, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, levels, shape).clip(0, 255).astype(dtype)
    t = rng.integers(0, levels, extents).clip(0, 255).astype(dtype)
    if mode == "valid" and any(n < taps for n, taps in zip(shape, extents, strict=True)):
        mode = "full"
    result = faltung.match_template(x, t, mode, boundary=boundary)
    expected = pearson(windows_of(x, extents, mode, boundary)[0], t)
    assert_scores(result, expected, 2e-5 if result.dtype == np.float32 else 1e-10)


def test_peers_agree(rng):
    cv2 = pytest.importorskip("cv2")
    x, t = scene(rng, (200, 230), np.float32), scene(rng, (20, 31), np.float32)
    ours = faltung.match_template(x, t)
    assert np.abs(ours - cv2.matchTemplate(x, t, cv2.TM_CCOEFF_NORMED)).max() < 1e-4
    feature = pytest.importorskip("skimage.feature")
    assert np.abs(ours - feature.match_template(x, t)).max() < 1e-4
    padded = feature.match_template(x, t, pad_input=True, mode="symmetric")
    ours = faltung.match_template(x, t, "same", boundary="symmetric")
    # of an even template skimage centres the earlier, we the later of the two middles: see "same"
    assert np.abs(ours[1:] - padded[:-1]).max() < 1e-4 or np.abs(ours - padded).max() < 1e-4


X = np.ones((20, 30))


@pytest.mark.parametrize(
    ("error", "message", "arguments", "options"),
    [
        (ValueError, "template is longer than the image along axis 0", (X, np.ones((21, 3))), {}),
        (ValueError, "template is empty", (X, np.ones((0, 3))), {}),
        (ValueError, "image is empty", (X[:0], np.ones((3, 3))), {"mode": "same"}),
        (ValueError, "template has no axes", (X, 3.0), {}),
        (ValueError, "template has 1 axes and image has 2", (X, np.ones(3)), {}),
        (ValueError, "axis 2 is out of range for image", (X, np.ones(3)), {"axes": 2}),
        (ValueError, "template holds NaN", (X, np.full((3, 3), np.nan)), {}),
        (ValueError, "mask has shape", (X, np.ones((3, 3))), {"mask": np.ones(3)}),
        (ValueError, "mask leaves no sample", (X, np.eye(3)), {"mask": np.zeros((3, 3))}),
        (ValueError, "image_mask has shape", (X, np.eye(3)), {"image_mask": np.ones((3, 3))}),
        (ValueError, "mode", (X, np.eye(3)), {"mode": "some"}),
        (ValueError, "boundary", (X, np.eye(3)), {"boundary": "reflect"}),
        (ValueError, "peaks is -1", (X, np.eye(3)), {"peaks": -1}),
        (TypeError, "peaks is 1.5", (X, np.eye(3)), {"peaks": 1.5}),
        (ValueError, "out is for the map", (X, np.eye(3)), {"peaks": 1, "out": np.ones((18, 28))}),
        (ValueError, "out has shape", (X, np.eye(3)), {"out": np.ones((3, 3))}),
        (TypeError, "image has dtype complex128", (X * 1j, np.eye(3)), {}),
        (TypeError, "template has dtype object", (X, np.eye(3).astype(object)), {}),
        (TypeError, "template is a masked array", (X, np.ma.masked_array(np.eye(3))), {}),
        (TypeError, "dtype is int64", (X, np.eye(3)), {"dtype": int}),
    ],
)
def test_errors(error, message, arguments, options):
    with pytest.raises(error, match=message):
        faltung.match_template(*arguments, **options)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_masks_and_flat_windows(level, rng, dtype):
    x = np.full((90, 100), 7, dtype)
    x[:, 60:] = 200
    x[40:60, 20:50] = scene(rng, (20, 30), np.uint8).astype(dtype)
    t = scene(rng, (12, 14), dtype)
    mask = np.hypot(*np.ogrid[-1:1:12j, -1:1:14j]) <= 1
    keep = rng.random(x.shape) < 0.7
    keep[5:30, 5:40] = False
    odd = x.copy()
    if dtype != "uint8":
        odd[10, 20], odd[70, 30] = np.nan, np.inf  # the first does not count
    for image, image_mask in ((x, None), (x, keep), (odd, keep | (np.arange(90) >= 65)[:, None])):
        kept = np.ones_like(keep) if image_mask is None else image_mask
        under, _ = windows_of(kept, t.shape)
        result = faltung.match_template(image, t, mask=mask, image_mask=image_mask)
        expected = pearson(windows_of(image, t.shape)[0], t, (under != 0) & mask)
        assert (expected == 0).any()
        assert (result[expected == 0] == 0).all()
        assert_scores(result, expected, 1e-6)


def test_equal_samples_around_one_that_is_not_a_number(rng):
    x = np.zeros((60, 70))
    x[20, 30], x[50, 60] = np.nan, 5  # the NaN is worked on as what the mean is, or nearly so
    result = faltung.match_template(x, scene(rng, (5, 6)))
    assert np.isnan(result).sum() == 5 * 6
    assert np.isnan(result[16:21, 25:31]).all()


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_large_maps(level, rng, dtype):
    """Maps that go past the caches: rows that begin anywhere, tiles with and without doubtful scores."""
    x = scene(rng, (1500, 1537), dtype)
    x[:700, :600] = x[0, 0]  # flat
    if dtype != "uint8":
        x[1300, 1400] = 1e12
    t = x[900:923, 700:737].copy()
    result = faltung.match_template(x, t)
    out = np.zeros(result.size + 3, result.dtype)[3:].reshape(result.shape)
    np.testing.assert_array_equal(faltung.match_template(x, t, out=out), result)
    assert result[900, 700] == result.max() > 0.9999
    assert not result[:600, :500].any()
    for row in (0, 690, 900, 1290, result.shape[0] - 1):
        expected = pearson(windows_of(x[row : row + 23], t.shape)[0], t)
        assert_scores(result[row : row + 1], expected, 2e-4 if dtype == "float32" else 2e-6)
    np.testing.assert_array_equal(faltung.match_template(x, t, workers=1), result)


@pytest.mark.parametrize("mode", MODES)
def test_where_samples_stand_changes_little(level, rng, mode):
    """Tiles that are read where they stand in the image, others by way of a copy."""
    x, t = scene(rng, (300, 420), np.float32) + 100, scene(rng, (9, 17), np.float32)
    expected = faltung.match_template(x.astype(np.float64), t.astype(np.float64), mode)
    for same in (x, np.repeat(x, 2, axis=1)[:, ::2], np.asfortranarray(x), x[::-1].copy()[::-1]):
        assert_scores(faltung.match_template(same, t, mode), expected, 2e-5)


@pytest.mark.parametrize("columns", range(1, 40, 3))
def test_rows_of_any_length(level, rng, columns):
    x, t = scene(rng, (13, columns + 5), np.float32), scene(rng, (4, 6), np.float32)
    for dtype in (np.float32, np.float64):
        result = faltung.match_template(x.astype(dtype), t.astype(dtype))
        assert_scores(result, pearson(windows_of(x, t.shape)[0], t), close_to(dtype))


@pytest.fixture
def tile():
    """Forces lengths of tiles."""
    yield faltung._core.force_tile
    faltung._core.force_tile(None)


@pytest.mark.parametrize("lengths", [[48, 64], [64, 96], [50, 44]])  # the last by the library
@pytest.mark.parametrize("extra", [-1, 0, 1, 5, 16])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tiles_that_end_rows(level, rng, tile, lengths, extra, dtype):
    """The last tile of a row may be longer than the others; an odd one is transformed alone."""
    taps, unit = (9, 12), 64 // np.dtype(dtype).itemsize
    valid = lengths[1] - taps[1] + 1
    columns = 2 * (valid - valid % unit) + valid + extra + taps[1] - 1
    x, t = scene(rng, (60, columns), dtype) + dtype(3), scene(rng, taps, dtype)
    tile(lengths)
    assert_scores(
        faltung.match_template(x, t), pearson(windows_of(x, t.shape)[0], t), close_to(dtype)
    )
    expected = (windows_of(x, t.shape)[0] * t).sum((-1, -2))
    result = faltung.correlate(x, t, "valid", method="overlap_save")
    assert np.abs(result - expected).max() < 1e4 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "int32"])
def test_whole_numbers_beside_a_constant_that_is_none(level, rng, dtype):
    x, t = scene(rng, (12, 30)) > 0.4, scene(rng, (5, 6), np.float32)
    x = x.astype(dtype)
    result = faltung.match_template(x, t, "full", boundary="constant", cval=0.25)
    expected = pearson(windows_of(x, t.shape, "full", "constant", 0.25)[0], t)
    assert_scores(result, expected, close_to(result.dtype))
    one = np.zeros((1, 1), dtype)  # beside it, windows whose spread is below a quarter
    result = faltung.match_template(one, np.eye(2), "full", boundary="constant", cval=0.25)
    assert_scores(
        result, pearson(windows_of(one, (2, 2), "full", "constant", 0.25)[0], np.eye(2)), 1e-6
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("boundary", ["edge", "zero"])
def test_constant_image_of_which_some_counts(level, rng, dtype, boundary):
    x, t = np.full((20, 40), 0.1, dtype), scene(rng, (6, 4), dtype)
    for share in (0.3, 0.9):
        keep = rng.random(x.shape) < share
        assert not faltung.match_template(x, t, "full", boundary=boundary, image_mask=keep).any()


def masks(rng, which, shape, extents):
    """What counts of a template and of an image, and the arguments that say so."""
    mask = np.hypot(*np.ogrid[-1 : 1 : extents[0] * 1j, -1 : 1 : extents[1] * 1j]) <= 1
    keep = rng.random(shape) < 0.5
    options = {"mask": mask, "image_mask": keep}
    options = {name: options[name] for name in which}
    under = windows_of(options.get("image_mask", np.ones(shape, bool)), extents)[0]
    return options, (under != 0) & options.get("mask", True)


MASKS = [(), ("mask",), ("image_mask",), ("mask", "image_mask")]


@pytest.mark.parametrize(("dtype", "unit"), [(np.float32, 2.0**-20), (np.float64, 2.0**-46)])
@pytest.mark.parametrize("contrast", [1, 30, 100, 450, 1500, 1e4, 1e6])
@pytest.mark.parametrize("which", MASKS[1:])
def test_stated_bound_under_masks(level, rng, dtype, unit, contrast, which):
    x = rng.standard_normal((60, 120))
    x[:, 70:] *= contrast
    x, t = (x + 10).astype(dtype), rng.standard_normal((15, 12)).astype(dtype)
    options, kept = masks(rng, which, x.shape, t.shape)
    windows = windows_of(x, t.shape)[0]
    spread = np.array(
        [
            [np.std(w[k]) for w, k in zip(*row, strict=True)]
            for row in zip(windows, kept, strict=True)
        ]
    )
    bound = np.maximum(1, contrast / spread.astype(float)) * unit
    error = np.abs(faltung.match_template(x, t, **options) - pearson(windows, t, kept))
    assert (error <= np.minimum(bound, 2.0**-20)).all()


@pytest.mark.parametrize("which", MASKS)
@pytest.mark.parametrize("extents", [(7, 10), (15, 12)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_windows_summed_by_themselves(level, rng, which, extents, dtype):
    """They know nothing of what is bright beside them, in the image or in the template."""
    x, t = rng.standard_normal((50, 77)), rng.standard_normal(extents)
    x[20, 30], t[3, 4] = 1e14, 1e12 if "image_mask" in which else 1
    x[:, 60:] *= 1e-9
    x, t = x.astype(dtype), t.astype(dtype)
    options, kept = masks(rng, which, x.shape, extents)
    result = faltung.match_template(x, t, **options)
    assert_scores(
        result, pearson(windows_of(x, extents)[0], t, kept), 1e-6 if dtype == np.float32 else 1e-11
    )


def test_windows_whose_squares_vanish(level, rng):
    x, t = rng.standard_normal((30, 44)), rng.standard_normal((5, 6))
    x[:, 20:] *= 1e-250
    for which in MASKS:
        options, kept = masks(rng, which, x.shape, t.shape)
        expected = pearson(windows_of(x, t.shape)[0], t, kept)
        assert_scores(faltung.match_template(x, t, **options), expected, 1e-11)


def test_templates_are_told_apart_by_every_byte(rng):
    """Prepared templates are remembered by their samples, however those stand."""
    x, tall = scene(rng, (30, 40), np.float32), scene(rng, (24, 18), np.float32)
    for t in (
        tall[::3, ::2],
        tall[::3, 1::2],
        tall[::-3, ::2],
        tall[1::3],
        tall[:8].T,
        tall[:8, :1],
    ):
        assert_scores(faltung.match_template(x, t), pearson(windows_of(x, t.shape)[0], t), 2e-6)
        k = np.ascontiguousarray(t)
        np.testing.assert_array_equal(
            faltung.correlate(x, t, "valid"), faltung.correlate(x, k, "valid")
        )
