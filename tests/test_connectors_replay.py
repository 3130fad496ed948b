# SPDX-License-Identifier: Apache-2.0
"""Recordings: what goes in comes out, a cut tail is told and the rest used, a real city has no way in."""

from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.connectors.replay import Recorder, Replay, ReplayError, read
from lamplighter.terms.reading import Reading
from lamplighter.terms.simulation import Simulated

READINGS = st.lists(
    st.builds(Reading, st.text(max_size=20), st.text(max_size=40), st.binary(max_size=200), st.floats(0, 2e9)), max_size=20
)
SOME = [Reading("sumo", f"junction/{n}", bytes([n]) * n, 100.0 + n) for n in range(10)]


def recorded(path, readings=SOME):
    with Recorder(path, {"city": "adlershof", "seed": "1"}) as recorder:
        recorder.record(Simulated(readings))
    return path.read_bytes()


@settings(max_examples=50, deadline=None)
@given(READINGS)
def test_what_goes_in_comes_out_and_equal_runs_give_equal_files(tmp_path_factory, readings):
    folder = tmp_path_factory.mktemp("recording")
    assert recorded(folder / "a", readings) == recorded(folder / "b", readings)
    found = read(folder / "a")
    assert list(found.readings.value) == readings
    assert found.about == {"city": "adlershof", "seed": "1"}
    assert found.fault == ""


def test_readings_are_handed_out_as_time_goes_on(tmp_path):
    recorded(tmp_path / "r")
    replay = Replay(read(tmp_path / "r"))
    assert replay.take(99) == ()
    assert [r.received_s for r in replay.take(103)] == [100, 101, 102, 103]
    assert not replay.ended
    assert len(replay.take(1e9)) == 6
    assert replay.ended
    assert replay.take(1e9) == ()


def test_a_tail_cut_anywhere_is_told_and_the_rest_is_used(tmp_path):
    data = recorded(tmp_path / "r")
    first = data.index(b"}") + 1
    whole = 0
    for cut in range(first, len(data)):
        (tmp_path / "cut").write_bytes(data[:cut])
        found = read(tmp_path / "cut")
        assert list(found.readings.value) == SOME[: len(found.readings.value)]
        if found.fault:
            assert f"the {len(found.readings.value)} readings before it are used" in found.fault
        else:
            whole += 1
    assert whole == 10


def test_any_changed_byte_is_noticed(tmp_path):
    data = recorded(tmp_path / "r")
    for at in range(len(data)):
        (tmp_path / "changed").write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        try:
            found = read(tmp_path / "changed")
        except ReplayError:
            continue
        assert found.fault
        assert list(found.readings.value) == SOME[: len(found.readings.value)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no recording of lamplighter"),
        (b"PNG...", "name a file that a run recorded"),
        (b"lamplighter replay 9\n", "of version 9; this lamplighter reads 1"),
        (b"lamplighter replay 1\nabc", "nothing in it can be used, byte 21: the file ends inside a record's head"),
    ],
)
def test_another_file_is_refused_by_name(tmp_path, content, said):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ReplayError, match=said):
        read(tmp_path / "x")


def test_readings_of_a_real_city_are_not_recorded(tmp_path):
    with Recorder(tmp_path / "r", {}) as recorder, pytest.raises(TypeError, match="only readings of a simulated city"):
        recorder.record(cast(Any, SOME))
    assert read(tmp_path / "r").readings.value == ()


def test_no_recording_is_overwritten(tmp_path):
    recorded(tmp_path / "r")
    with pytest.raises(FileExistsError):
        Recorder(tmp_path / "r", {})
