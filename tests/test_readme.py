"""What the README files say is so."""

import re
import tomllib
from pathlib import Path

import pytest

from minidrop import nn

ROOT = Path(__file__).parent.parent


def blocks(path, language):
    """The code blocks in a language that stand at the margin."""
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)


def test_first_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (example,) = blocks(ROOT / "README.md", "python")
    exec(compile(example, "README.md", "exec"), {})
    assert (tmp_path / "digits.safetensors").stat().st_size > 4 * 784 * 128


def test_commands_name_extras_and_files_that_exist():
    commands = "".join(blocks(ROOT / "README.md", "sh"))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    named = re.findall(r"\.\[(\w+)\]", commands)
    assert named == ["examples", "test"] and extras.keys() > set(named)
    for path in re.findall(r"python (\S+\.py)", commands):
        assert (ROOT / path).is_file()


@pytest.mark.parametrize("name", ["README.md", "csrc/README.md"])
def test_files_and_links_exist(name):
    text = re.sub(r"```.*?```", "", (ROOT / name).read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert ((ROOT / name).parent / target).exists(), target
    folders = [ROOT, ROOT / "csrc", ROOT / "csrc/kernels", ROOT / "minidrop", ROOT / "examples"]
    for path in re.findall(r"`([\w/]+\.(?:c|h|py|pyx|pxd))`", text):
        if "lerp" not in path:  # the example of a kernel that is not there yet
            assert any((folder / path).is_file() for folder in folders), path


def test_table_of_the_dropout_family_is_that_of_the_registry():
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", (ROOT / "README.md").read_text(), re.M)
    told = {name: tuple(cells.split(" | ")) for name, cells in rows}
    for v in nn.dropout.variants():
        assert told[v.name] == (v.law, v.mask, v.paper, v.cost)


def test_list_of_kernels_is_complete():
    """The table of csrc/README.md has the functions of md_kernels, file by file."""
    header = (ROOT / "csrc/minidrop.h").read_text()
    struct = header[header.index("typedef struct md_kernels {") : header.index("} md_kernels;")]
    sections = re.split(r"/\* ---- (\w+\.h)", struct)[1:]
    expected = {
        file: [n for n in re.findall(r"\(\*(\w+)\)", text) if not n.endswith("_scratch")]
        for file, text in zip(sections[::2], sections[1::2], strict=True)
    }
    rows = re.findall(r"^\| `(\w+\.h)` \| (.*) \|$", (ROOT / "csrc/README.md").read_text(), re.M)
    assert {file: re.findall(r"`(\w+)`", cell) for file, cell in rows} == expected
