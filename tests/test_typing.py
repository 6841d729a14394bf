"""The package is typed: a marker, and a stub of the extension that says what the extension has."""

import ast
import inspect
from importlib import resources
from pathlib import Path

import pytest

import faltung
from faltung import _core

STUB = Path(faltung.__file__).with_name("_core.pyi")


def names_of(body: list[ast.stmt]) -> set[str]:
    found = set()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


def public(names) -> set[str]:
    return {name for name in names if not name.startswith("_")}


@pytest.fixture(scope="module")
def stub() -> list[ast.stmt]:
    return ast.parse(STUB.read_text(encoding="utf-8")).body


def test_marker_is_installed():
    assert resources.files("faltung").joinpath("py.typed").is_file()


def test_stub_names_what_the_module_has(stub):
    assert public(names_of(stub)) == public(vars(_core))


def test_stub_knows_the_version(stub):
    assert "__version__" in names_of(stub)
    assert isinstance(_core.__version__, str)


def test_stub_names_what_the_classes_have(stub):
    classes = [node for node in stub if isinstance(node, ast.ClassDef) and node.name in vars(_core)]
    assert {"Plan", "Request"} <= {node.name for node in classes}
    for node in classes:
        assert public(names_of(node.body)) == public(vars(getattr(_core, node.name))), node.name


def test_stub_names_the_arguments(stub):
    # pybind11 writes the signature into the first line of the docstring
    for node in stub:
        if not isinstance(node, ast.FunctionDef):
            continue
        line = getattr(_core, node.name).__doc__.splitlines()[0]
        for argument in (*node.args.args, *node.args.kwonlyargs, *node.args.posonlyargs):
            name = argument.arg.lstrip("_")
            assert f"{name}:" in line or f"arg{node.args.posonlyargs.index(argument)}:" in line, (
                line
            )


def test_the_public_face_is_annotated():
    for name in faltung.__all__:
        value = getattr(faltung, name)
        if inspect.isfunction(value):
            signature = inspect.signature(value)
            assert signature.return_annotation is not inspect.Signature.empty, name
            for parameter in signature.parameters.values():
                assert parameter.annotation is not inspect.Parameter.empty, (name, parameter)


def test_the_public_face_is_documented():
    for name in faltung.__all__:
        value = getattr(faltung, name)
        if callable(value):
            assert inspect.getdoc(value), name


def test_all_names_exist_and_nothing_else_is_public():
    shown = {name for name, value in vars(faltung).items() if not name.startswith("_")}
    modules = {name for name in shown if inspect.ismodule(getattr(faltung, name))}
    assert (
        shown - modules == {name for name in faltung.__all__ if not name.startswith("_")} - modules
    )
    assert len(set(faltung.__all__)) == len(faltung.__all__)
