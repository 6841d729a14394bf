"""ONNX's own backend tests of convolution and pooling, with their data, node by node through faltung.nn."""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the extra 'conformance' brings onnx")

from onnx.backend.test.case.node import collect_testcases  # noqa: E402
from onnx.backend.test.loader import load_model_tests  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402
from onnx_operators import SERVED, SERVED_NODES  # noqa: E402

OPERATORS = {operator.__name__ for operator in SERVED}


def uses_ours(model) -> bool:
    return bool(OPERATORS & {node.op_type for node in model.graph.node})


@cache
def node_cases():
    """Those that ONNX generates, one per behaviour of an operator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what ONNX's own computations warn of is not ours
        cases = collect_testcases(None)
    return {case.name: case for case in cases if uses_ours(case.model)}


@cache
def model_cases():
    """Those that ONNX keeps as files: layers exported from PyTorch."""
    found = {}
    for kind in ("pytorch-converted", "pytorch-operator"):
        for case in load_model_tests(kind=kind):
            model = onnx.load(Path(case.model_dir) / "model.onnx")
            if uses_ours(model):
                found[case.name] = (case, model)
    return found


def read(path: Path):
    tensor = onnx.TensorProto()
    tensor.ParseFromString(path.read_bytes())
    return onnx.numpy_helper.to_array(tensor)


def numbered(folder: Path, what: str):
    paths = sorted(folder.glob(f"{what}_*.pb"), key=lambda path: int(path.stem.split("_")[1]))
    return [read(path) for path in paths]


def check(model, inputs, outputs, rtol, atol):
    before = SERVED_NODES.total()
    session = ReferenceEvaluator(model, new_ops=list(SERVED))
    names = session.input_names
    answers = session.run(None, dict(zip(names, inputs, strict=False)))
    ours = sum(node.op_type in OPERATORS for node in model.graph.node)
    assert SERVED_NODES.total() - before == ours, "a node was served by somebody else"
    for actual, expected in zip(answers, outputs, strict=True):
        assert np.shape(actual) == expected.shape
        assert np.asarray(actual).dtype == expected.dtype
        np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol)


@pytest.mark.parametrize("name", node_cases())
def test_node(name, tally):
    case = node_cases()[name]
    for inputs, outputs in case.data_sets:
        check(case.model, inputs, outputs, case.rtol, case.atol)
    tally("onnx nodes", "passed")


@pytest.mark.parametrize("name", model_cases())
def test_model(name, tally):
    case, model = model_cases()[name]
    folders = sorted(Path(case.model_dir).glob("test_data_set_*"))
    assert folders
    for folder in folders:
        check(model, numbered(folder, "input"), numbered(folder, "output"), case.rtol, case.atol)
    tally("onnx models from PyTorch", "passed")


def test_every_operator_was_asked_for():
    kinds = {node.op_type for case in node_cases().values() for node in case.model.graph.node}
    kinds |= {node.op_type for _, model in model_cases().values() for node in model.graph.node}
    # ONNX has no test of its own for the last one
    assert OPERATORS - {"GlobalLpPool"} <= kinds
