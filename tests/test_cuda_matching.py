"""Template matching on a device, or on the stand-in for one."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import MODES

import faltung


@pytest.mark.gpu
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("boundary", ["zero", "constant", "mirror", "wrap"])
def test_matching(cp, mode, boundary):
    rng = np.random.default_rng(5)
    for shape, taps, axes in (
        ((400,), (30,), None),
        ((70, 90), (12, 9), None),
        ((3, 50, 60), (8, 7), (1, 2)),
        ((20, 24, 22), (5, 4, 6), None),
    ):
        for dtype in (np.float32, np.float64, np.uint8):
            image = (rng.random(shape) * 200).astype(dtype)
            template = (rng.random(taps) * 200).astype(dtype)
            options = {"mode": mode, "axes": axes, "boundary": boundary, "cval": 3}
            expected = faltung.match_template(image, template, **options)
            for pattern in (cp.asarray(template), template):
                actual = faltung.match_template(cp.asarray(image), pattern, **options)
                assert actual.dtype == expected.dtype
                assert abs(actual).max() <= 1
                tolerance = 2e-4 if expected.dtype == np.float32 else 1e-9
                np.testing.assert_allclose(actual.get(), expected, atol=tolerance)


@pytest.mark.gpu
def test_matching_what_has_no_contrast_or_is_not_finite(cp):
    image = np.random.default_rng(6).random((60, 80)).astype(np.float32)
    image[:20, :20] = 0.7
    image[40, 50] = np.nan
    template = image[5:15, 30:42] * 3 + 1
    actual = faltung.match_template(cp.asarray(image), cp.asarray(template)).get()
    expected = faltung.match_template(image, template)
    np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected))
    assert (actual[:11, :9] == 0).all()
    assert actual[5, 30] > 0.9999
    flat = faltung.match_template(cp.asarray(image[:30]), cp.full((4, 4), 0.1, np.float32))
    assert (flat == 0).all()
    # nothing waits for a template that is not finite
    bad = faltung.match_template(cp.asarray(image[:30]), cp.asarray(image[38:42, 48:52]))
    assert cp.isnan(bad[20:]).all()


def masked_problems(rng):
    for shape, taps, axes in (
        ((60,), (9,), None),
        ((24, 31), (5, 6), None),
        ((2, 20, 22), (4, 5), (1, 2)),
        ((11, 12, 13), (3, 4, 3), None),
        ((19, 2, 20), (4, 5), (2, 0)),
    ):
        image, template = rng.random(shape), rng.random(taps)
        image[tuple(slice(2, 9) for _ in shape)] = 0.3
        yield image, template, rng.random(taps) < 0.7, rng.random(shape) < 0.8, axes


@pytest.mark.gpu
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("boundary", ["zero", "constant", "mirror", "wrap"])
def test_masks(cp, mode, boundary):
    for image, template, mask, image_mask, axes in masked_problems(np.random.default_rng(7)):
        options = {"mode": mode, "axes": axes, "boundary": boundary, "cval": 0.4}
        for dtype in (np.float64, np.float32):
            x, t = image.astype(dtype), template.astype(dtype)
            for masks in (
                {"mask": mask},
                {"image_mask": image_mask},
                {"mask": mask, "image_mask": image_mask},
            ):
                expected = faltung.match_template(x, t, **options, **masks)
                for there in (
                    masks,
                    {name: cp.asarray(one.astype(np.uint8)) for name, one in masks.items()},
                ):
                    actual = faltung.match_template(
                        cp.asarray(x), cp.asarray(t), **options, **there
                    )
                    assert actual.dtype == expected.dtype
                    tolerance = 1e-5 if dtype == np.float32 else 1e-9
                    np.testing.assert_allclose(actual.get(), expected, atol=tolerance)


@pytest.mark.gpu
def test_what_does_not_count_does_not_matter(cp):
    rng = np.random.default_rng(8)
    image, template = rng.random((40, 50)), rng.random((6, 7))
    keep = rng.random(image.shape) < 0.7
    image[keep & (rng.random(image.shape) < 0.01)] = np.nan
    expected = faltung.match_template(image, template, image_mask=keep)
    image[~keep] = np.inf
    actual = faltung.match_template(cp.asarray(image), template, image_mask=cp.asarray(keep)).get()
    np.testing.assert_allclose(actual, expected, atol=1e-9)
    assert np.isnan(actual).any()
    assert not np.isnan(actual).all()
    # templates of which what counts is flat, and images of which nothing counts
    flat, mask = (
        np.where(np.arange(42).reshape(6, 7) % 2, 0.5, template),
        np.arange(42).reshape(6, 7) % 2,
    )
    scores = faltung.match_template(cp.asarray(np.nan_to_num(image, posinf=1)), flat, mask=mask)
    assert (scores == 0).all()
    nothing = np.zeros(image.shape, bool)
    assert (faltung.match_template(cp.asarray(image), template, image_mask=nothing) == 0).all()


@pytest.mark.gpu
def test_errors_of_masks(cp):
    image, template = cp.zeros((20, 22)), cp.zeros((4, 5))
    with pytest.raises(ValueError, match="mask has shape .* it must have the template's"):
        faltung.match_template(image, template, mask=np.ones((3, 3)))
    with pytest.raises(ValueError, match="image_mask has shape .* it must have the image's"):
        faltung.match_template(image, template, image_mask=cp.zeros((3, 3)))
    with pytest.raises(ValueError, match="mask leaves no sample"):
        faltung.match_template(image, template, mask=np.zeros((4, 5)))


@pytest.mark.gpu
def test_peaks(cp):
    rng = np.random.default_rng(9)
    for shape, axes in (((50, 60), None), ((3, 40, 50), (1, 2))):
        image = rng.random(shape).astype(np.float32)
        template = 2 * image[..., 10:18, 20:29].reshape(-1, 8, 9)[0] + 1
        for masks in ({}, {"mask": np.ones((8, 9))}):
            expected = faltung.match_template(image, template, axes=axes, peaks=4, **masks)
            actual = faltung.match_template(
                cp.asarray(image), cp.asarray(template), axes=axes, peaks=4, **masks
            )
            assert type(actual) is type(expected)
            np.testing.assert_array_equal(actual.positions, expected.positions)
            np.testing.assert_allclose(actual.scores, expected.scores, atol=1e-5)
    with pytest.raises(ValueError, match="peaks is -1"):
        faltung.match_template(cp.asarray(image), cp.asarray(template), axes=axes, peaks=-1)
    with pytest.raises(ValueError, match="out is for the map"):
        faltung.match_template(
            cp.asarray(image), cp.asarray(template), axes=axes, peaks=1, out=cp.zeros(3)
        )
