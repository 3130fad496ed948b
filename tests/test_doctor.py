# SPDX-License-Identifier: Apache-2.0
"""The doctor sees what is missing, and says what mends it."""

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import lamplighter
from lamplighter.runtime import doctor


def test_every_check_that_fails_has_a_remedy() -> None:
    found = doctor.checks()
    assert len({check.what for check in found}) == len(found)
    for check in found:
        assert check.observed
        assert bool(check.remedy) != check.ok, check


def test_render_names_what_is_missing_and_what_mends_it() -> None:
    sound = doctor.Check("disk", True, "9.0 GB free", "")
    broken = doctor.Check("port 8000", False, "in use", "start with --port 8001")
    text = doctor.render((sound, broken))
    assert "ok    disk       9.0 GB free" in text
    assert "MEND  port 8000  in use" in text
    assert "start with --port 8001" in text
    assert text.endswith("The demo city cannot run yet: port 8000.")


def test_what_only_the_tests_need_does_not_stop_the_demo() -> None:
    text = doctor.render((doctor.Check("chromium", False, "not found", "apt-get install chromium", "tests"),))
    assert text.endswith("The demo city can run on this machine.")


def test_missing_extra_names_the_command_that_installs_it() -> None:
    check = doctor.extra("scale", ("numpy", "no-such-distribution"), "scale-out")
    assert not check.ok
    assert check.observed == "not installed: no-such-distribution"
    assert check.remedy == f"{sys.executable} -m pip install 'lamplighter[scale]'"


def test_busy_port_is_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        check = doctor.port_free(port)
        assert not check.ok
        assert os.strerror(errno.EADDRINUSE) in check.observed
        assert f"--port {port + 1}" in check.remedy
    assert doctor.port_free(port).ok


def test_data_folder_that_is_a_file_is_seen(tmp_path: Path) -> None:
    assert doctor.data_writable(tmp_path / "new" / "data").ok
    place = tmp_path / "file"
    place.write_text("")
    check = doctor.data_writable(place)
    assert not check.ok
    assert "LAMPLIGHTER_DATA" in check.remedy


def test_city_of_another_version_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMPLIGHTER_DATA", str(tmp_path))
    assert not doctor.city_built("adlershof").ok
    folder = tmp_path / "cities" / "adlershof"
    folder.mkdir(parents=True)
    (folder / "city.toml").write_text('[city]\nversion = "0.0.1"\n')
    check = doctor.city_built("adlershof")
    assert not check.ok
    assert "0.0.1" in check.observed
    assert check.remedy == "lamplighter city build adlershof"
    (folder / "city.toml").write_text(f'[city]\nversion = "{lamplighter.__version__}"\n')
    assert doctor.city_built("adlershof").ok


def test_clock_before_the_installation_is_seen() -> None:
    assert not doctor.clock(0.0).ok
    assert "1970-01-01" in doctor.clock(0.0).observed
    assert not doctor.clock(9e9).ok


def test_page_that_was_not_built_is_seen(tmp_path: Path) -> None:
    assert not doctor.page_built(tmp_path).ok
    (tmp_path / "index.html").write_text("")
    assert doctor.page_built(tmp_path).ok


def test_engine_that_cannot_load_its_libraries_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failed:
        returncode = 1
        stdout = ""
        stderr = "Traceback\nImportError: libGL.so.1: cannot open shared object file"

    def run(*_: Any, **__: Any) -> Failed:
        return Failed()

    monkeypatch.setattr(subprocess, "run", run)
    check = doctor.traffic_engine()
    assert not check.ok
    assert check.observed.startswith("ImportError: libGL.so.1")
    assert "scripts/debian-packages.sh run" in check.remedy


@pytest.mark.engine
def test_engine_stays_out_of_this_process() -> None:
    code = "from lamplighter.runtime.doctor import checks; import sys; checks(); sys.exit('libsumo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
