# SPDX-License-Identifier: Apache-2.0
"""README's table says what the kept numbers say, and every figure has its command in RESULTS."""

import importlib.util
import json
from pathlib import Path
from typing import Any


def bench(repository: Path) -> Any:
    spec = importlib.util.spec_from_file_location("with_without", repository / "benchmarks" / "with_without.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_is_made_from_the_kept_numbers(repository: Path) -> None:
    module = bench(repository)
    text = module.README.read_text(encoding="utf-8")
    assert module.BEGIN in text
    assert module.written(text, json.loads(module.NUMBERS.read_text(encoding="utf-8"))) == text


def test_the_kept_numbers_have_three_seeds_and_every_service(repository: Path) -> None:
    numbers = json.loads(bench(repository).NUMBERS.read_text(encoding="utf-8"))
    for arm in ("baseline", "adaptive"):
        assert set(numbers["arms"][arm]) == {"1", "2", "3"}
        assert all({"grid", "lighting", "traffic"} <= set(found) for found in numbers["arms"][arm].values())
    assert numbers["faults"] == []


def test_results_name_the_command_the_seeds_and_the_machine(repository: Path) -> None:
    text = (repository / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    for word in ("with_without.py", "headless_hour.py", "bench loop", "seeds", "cores", "Python 3.11"):
        assert word in text, word
