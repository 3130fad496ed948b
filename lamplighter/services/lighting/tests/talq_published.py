# SPDX-License-Identifier: Apache-2.0
"""The published OpenAPI documents of TALQ 2.7.1, read where they lie: they are no part of this repository."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[4]
SHARED = Path(os.environ.get("LAMPLIGHTER_SHARED", ROOT.parent / "shared"))
FOLDER = SHARED / "data" / "talq"
MODEL = "talq-data-model-2-7-1"
there = pytest.mark.skipif(not (FOLDER / f"{MODEL}.json").is_file(), reason="the published TALQ documents are not here")


@cache
def bundled(side: str) -> dict[str, Any]:
    """Return one API with the data model in it, so that its references are within the document."""
    text = (FOLDER / f"talq-{side}-api-2-7-1.json").read_text(encoding="utf-8")
    document = json.loads(text.replace(f"./{MODEL}-online.json#", "#"))
    document.setdefault("components", {})["schemas"] = model()
    return document


@cache
def model() -> dict[str, Any]:
    """Return the schemas of the data model by name."""
    return json.loads((FOLDER / f"{MODEL}.json").read_text(encoding="utf-8"))["components"]["schemas"]


def profile(node: dict[str, Any]) -> dict[str, str]:
    """Return what the lighting profile makes of a part: cms and gw, M or O; empty where it says nothing."""
    rows = node.get("x-talq-profiles") or [{}]
    return rows[0].get("lighting", {})
