# SPDX-License-Identifier: Apache-2.0
"""Documentation is tested: links lead somewhere, promises name tests that exist, reference pages say what the code says."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lamplighter.cli import COMMANDS, service_names
from lamplighter.runtime.wiring import KEYS, read_wiring

LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)[^)]*\)")
PROOF = re.compile(r"`((?:lamplighter/services/\w+/)?tests/[\w/]+\.py)(?:::(\w+))?`")
COMMAND = re.compile(r"lamplighter ([a-z]+)")


def pages(repository: Path) -> list[Path]:
    found = [*repository.glob("*.md"), *(repository / "docs").rglob("*.md"), *repository.glob("lamplighter/services/*/README.md")]
    assert len(found) > 12
    return found


def test_every_link_leads_somewhere(repository: Path) -> None:
    broken = [
        f"{page.relative_to(repository)}: {target}"
        for page in pages(repository)
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if "://" not in target and not target.startswith("mailto:") and not (page.parent / target).exists()
    ]
    assert broken == []


@pytest.mark.parametrize("name", ["SAFETY.md", "PRIVACY.md"])
def test_every_promise_names_a_test_that_exists(repository: Path, name: str) -> None:
    text = (repository / name).read_text(encoding="utf-8")
    proofs = PROOF.findall(text)
    assert len(proofs) >= 10
    for file, function in proofs:
        tree = ast.parse((repository / file).read_text(encoding="utf-8"))
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert not function or function in names, f"{name}: {file} has no {function}"
    rows = [line for line in text.splitlines() if re.match(r"\| [SP]\d+ \|", line)]
    assert len(rows) >= 10
    assert all(PROOF.search(row) for row in rows), "every promise has its proof"


def test_reference_pages_say_what_the_code_says(repository: Path) -> None:
    """In a process of its own, as a person runs it: what other tests loaded or registered does not count."""
    script = repository / "scripts" / "reference.py"
    env = {**os.environ, "PYTHONPATH": str(repository)}
    done = subprocess.run(
        [sys.executable, str(script), "--check"], cwd=repository, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_command_that_is_written_about_exists(repository: Path) -> None:
    known = {*COMMANDS, *service_names()}
    for page in pages(repository):
        for block in re.findall(r"`(?:``\n)?(lamplighter [a-z][^`]*)", page.read_text(encoding="utf-8")):
            word = COMMAND.match(block)
            assert word is None or word.group(1) in known, f"{page.name}: there is no `lamplighter {word.group(1)}`"


def test_the_wiring_example_is_a_wiring_file(repository: Path, tmp_path: Path) -> None:
    text = (repository / "docs" / "how-to" / "connect-a-city.md").read_text(encoding="utf-8")
    block = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert block is not None
    example = "\n".join(line.strip() for line in block.group(1).splitlines())
    assert tomllib.loads(example)["traffic"]["connector"] == "mqtt"
    path = tmp_path / "wiring.toml"
    path.write_text(example, encoding="utf-8")
    assert "traffic" in read_wiring(path).services
    assert all(f"`{key}`" in text for key in KEYS)
