# SPDX-License-Identifier: Apache-2.0
"""The page is built where it is older than its sources, and nowhere else."""

import json
import os
from pathlib import Path

import pytest

import hatch_build


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a checkout with one source of the page, from second 1000 of the epoch."""
    source = tmp_path / "frontend" / "src" / "main.ts"
    source.parent.mkdir(parents=True)
    for place in (tmp_path / "frontend" / "package.json", source):
        place.write_text("{}")
        os.utime(place, (1000, 1000))
    return tmp_path


def built(checkout: Path, at_s: float) -> None:
    """Put a built page of a given age into the checkout."""
    page = checkout / "lamplighter" / "web" / "static" / "index.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("")
    os.utime(page, (at_s, at_s))


def test_nothing_to_build_without_sources(tmp_path: Path) -> None:
    assert not hatch_build.must_build(tmp_path)


def test_built_where_there_is_no_page(checkout: Path) -> None:
    assert hatch_build.must_build(checkout)


def test_built_where_a_source_is_younger(checkout: Path) -> None:
    built(checkout, 999)
    assert hatch_build.must_build(checkout)


def test_not_built_where_the_page_is_younger(checkout: Path) -> None:
    built(checkout, 1001)
    assert not hatch_build.must_build(checkout)


def test_what_npm_brings_is_no_source(checkout: Path) -> None:
    built(checkout, 1001)
    brought = checkout / "frontend" / "node_modules" / "vite" / "index.js"
    brought.parent.mkdir(parents=True)
    brought.write_text("")
    assert not hatch_build.must_build(checkout)


def test_failure_names_the_step_and_leaves_no_half_built_page(checkout: Path) -> None:
    built(checkout, 1)
    with pytest.raises(RuntimeError, match=r"`npm ci --no-audit` in .*frontend ended with"):
        hatch_build.build(checkout)
    assert not (checkout / "lamplighter" / "web" / "static").exists()


def test_licences_of_what_the_page_carries_are_told(checkout: Path) -> None:
    packages = {
        "": {"name": "page"},
        "node_modules/drawing": {"version": "1.2.3", "license": "MIT"},
        "node_modules/compiler": {"version": "4.5.6", "license": "MIT", "dev": True},
    }
    (checkout / "frontend" / "package-lock.json").write_text(json.dumps({"packages": packages}))
    for name in ("drawing", "compiler"):
        folder = checkout / "frontend" / "node_modules" / name
        folder.mkdir(parents=True)
        (folder / "LICENSE.md").write_text(f"You may use {name}.")
    told = hatch_build.licences(checkout / "frontend")
    assert "drawing 1.2.3 (MIT)" in told
    assert "You may use drawing." in told
    assert "compiler" not in told
