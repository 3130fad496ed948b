# SPDX-License-Identifier: Apache-2.0
"""The ledger: a file that cannot be changed, cut or torn unseen."""

import inspect
import random
import re
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
import zlib
from typing import Any, cast

import numpy as np
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lamplighter.cli.verify import verify as command
from lamplighter.ledger import (
    Checkpoint,
    Commitment,
    EntryRefusedError,
    Ledger,
    LedgerDamagedError,
    LedgerInUseError,
    LedgerUnwritableError,
    OperatorAct,
    ReleaseMade,
    RunStart,
    Salts,
    Verifier,
    Witness,
    opens_window,
    verify,
    verify_consistency,
    verify_inclusion,
)
from lamplighter.ledger.entries import decode, encode
from lamplighter.ledger.salts import FILE_NAME as SALTS_NAME
from lamplighter.ledger.salts import KEEP_S
from lamplighter.ledger.store import _HEAD, MAGIC, scan


def act(number):
    return OperatorAct(1_768_302_000 + number, "operator", "hand_back", "water", f"area {number}")


def test_what_is_written_is_there_after_reopening_and_sound(tmp_path):
    with Ledger.open(tmp_path) as ledger:
        assert ledger.append(RunStart(1, "r1", "adlershof", ("adaptive", "baseline"), (1, 2, 3), "abcdef1")) == 0
        first = ledger.checkpoint()
        assert ledger.append(act(1), act(2)) == 2
        second = ledger.checkpoint()
        assert verify_consistency((1, 3), (first.root, second.root), ledger.consistency(1, 3))
        assert verify_inclusion(ledger.leaf(2), 2, 3, ledger.inclusion(2), second.root)
    with Ledger.open(tmp_path) as ledger:
        assert list(ledger.entries(1)) == [act(1), act(2)]
        assert ledger.checkpoints() == (first, second)
        assert ledger.root() == second.root
    verdict = verify(tmp_path, kept=[first])
    assert (verdict.entries, verdict.checkpoints, verdict.faults) == (3, 2, ())


@pytest.mark.parametrize(
    "entry",
    [
        OperatorAct(1, cast(Any, "mayor"), "hand_back", "water", "a"),
        OperatorAct(1, "operator", cast(Any, "look_at_someone"), "water", "a"),
        OperatorAct(-1, "operator", "stop", "water", "a"),
        OperatorAct(1, "operator", "stop", "water", "a\nb"),
        OperatorAct(1, "operator", "stop", "w" * 65, "a"),
        RunStart(1, "r", "c", (), (), "not a hash"),
    ],
)
def test_what_is_no_entry_is_not_written(tmp_path, entry):
    with Ledger.open(tmp_path) as ledger:
        with pytest.raises(EntryRefusedError, match="Nothing was written"):
            ledger.append(act(1), entry)
        assert len(ledger) == 0


def test_an_entry_has_one_form_only():
    data = encode(act(1))
    assert decode(data) == act(1)
    for other in (
        data.replace(b":", b": ", 1),
        b" " + data,
        data[:-1] + b',"plate":"B-XY 1"}',
        data.replace(b'"operator"', b'"\\u006fperator"'),
    ):
        with pytest.raises(EntryRefusedError):
            decode(other)


def written(folder, entries=6):
    with Ledger.open(folder) as ledger:
        for number in range(entries):
            ledger.append(act(number))
            if number % 2:
                ledger.checkpoint()
    return (folder / "ledger.log").read_bytes()


def test_a_write_torn_at_any_byte_keeps_what_was_acknowledged(tmp_path):
    data = written(tmp_path, 3)
    with Ledger.open(tmp_path) as ledger:
        ledger.append(act(99))
    longer = (tmp_path / "ledger.log").read_bytes()
    for cut in range(len(data), len(longer)):
        (tmp_path / "ledger.log").write_bytes(longer[:cut])
        with Ledger.open(tmp_path) as ledger:
            assert len(ledger) == 3
            assert ledger.append(act(100)) == 3
        assert verify(tmp_path).sound
    for cut in range(len(longer) - len(data)):
        (tmp_path / "ledger.log").write_bytes(data + bytes(cut))
        with Ledger.open(tmp_path) as ledger:
            assert len(ledger) == 3


def test_any_changed_byte_is_found(tmp_path):
    data = written(tmp_path)
    path = tmp_path / "ledger.log"
    for at in range(0, len(data), 7):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x04]) + data[at + 1 :])
        assert not verify(tmp_path).sound, at


def test_a_changed_middle_is_not_mended_by_opening(tmp_path):
    data = written(tmp_path)
    path = tmp_path / "ledger.log"
    broken = data[:60] + b"#" + data[61:]
    path.write_bytes(broken)
    with pytest.raises(LedgerDamagedError, match=r"byte \d+: .*after 0 whole records.*Nothing was touched"):
        Ledger.open(tmp_path)
    assert path.read_bytes() == broken


def forged(folder, numbers):
    """Rewrite the ledger with other entries and right checksums, keeping the old checkpoints where they stood."""
    found = scan((folder / "ledger.log").read_bytes())
    out, count = [MAGIC], 0
    for record in found.records:
        content, code = record.content, b"E" if record.kind == "entry" else b"C"
        if record.kind == "entry":
            if count in numbers and numbers[count] is None:
                count += 1
                continue
            content = encode(numbers.get(count, decode(content)))
            count += 1
        out.append(_HEAD.pack(code, len(content), zlib.crc32(code + content)) + content)
    (folder / "ledger.log").write_bytes(b"".join(out))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({2: act(50)}, "checkpoint of size 4 .*: its root is not the root of the entries before it; an entry between 2 and 3"),
        ({5: None}, "checkpoint of size 6 .*entries were taken out"),
    ],
)
def test_a_forger_without_the_key_is_found_and_the_first_broken_place_named(tmp_path, change, said):
    written(tmp_path)
    forged(tmp_path, change)
    faults = verify(tmp_path).faults
    assert faults
    assert re.search(said, faults[0])


def test_a_forger_with_the_key_is_found_by_a_kept_checkpoint(tmp_path):
    written(tmp_path / "true")
    kept = Ledger.open(tmp_path / "true").checkpoints()[1]
    false = tmp_path / "false"
    false.mkdir()
    for name in ("ledger.key", "ledger.pub"):
        (false / name).write_bytes((tmp_path / "true" / name).read_bytes())
    with Ledger.open(false) as ledger:
        for number in (0, 1, 77, 3, 4):
            ledger.append(act(number))
        ledger.checkpoint()
    assert verify(false).sound
    assert "could have rewritten both" in verify(false).checked[-1]
    assert "is no beginning of this ledger; an entry among the first 4" in verify(false, kept=[kept]).faults[0]


def test_a_witness_signs_only_what_continues(tmp_path):
    with Ledger.open(tmp_path) as ledger:
        witness = Witness("library", Ed25519PrivateKey.generate(), ledger.verifier)
        ledger.append(act(1))
        first = witness.cosign(ledger.checkpoint(), ())
        assert len(first.signatures) == 2
        ledger.record_cosigned(first)
        ledger.append(act(2), act(3))
        later = ledger.checkpoint()
        with pytest.raises(ValueError, match="does not continue the one of size 1"):
            witness.cosign(later, (bytes(32), bytes(32)))
        witness.cosign(later, ledger.consistency(1, 3))
        unsigned = Checkpoint(later.origin, later.size, later.root)
        with pytest.raises(ValueError, match="not signed by lamplighter; not cosigned"):
            witness.cosign(unsigned, ())
    assert verify(tmp_path).sound
    assert Checkpoint.parse(first.note) == first
    with pytest.raises(ValueError, match="no signed checkpoint"):
        Checkpoint.parse(b"hello")


def test_a_verifier_key_round_trips_and_a_wrong_one_is_refused(tmp_path):
    with Ledger.open(tmp_path, "city.example/log") as ledger:
        text = ledger.verifier.text
    assert Verifier.parse(text).text == text
    with pytest.raises(ValueError, match="does not belong to the key"):
        Verifier.parse(text.replace("city", "town"))
    with pytest.raises(ValueError, match="is no verifier key"):
        Verifier.parse("nonsense")


def window(rows=12, begin_s=1000):
    return [(begin_s + n, {"asset": np.arange(n, n + 1), "dimming_level": np.full(1, 0.7)}) for n in range(rows)]


def committed_to(tables):
    made = Commitment()
    for at_s, columns in tables:
        made.take(at_s, columns)
    return made


def test_a_commitment_opens_only_to_its_own_tables():
    tables = window()
    made = committed_to(tables)
    assert opens_window(tables, made.salt, made.digest())
    at_s, columns = tables[3]
    assert not opens_window(tables[:3] + tables[4:], made.salt, made.digest())
    assert not opens_window([*tables[:3], (at_s + 1, columns), *tables[4:]], made.salt, made.digest())
    assert not opens_window([*tables[:3], (at_s, columns | {"asset": np.array([9])}), *tables[4:]], made.salt, made.digest())
    assert not opens_window(tables, bytes(32), made.digest())
    assert committed_to(tables).digest() != made.digest(), "equal windows must not show as equal"


def test_an_auditor_opens_a_commitment_while_its_salt_is_kept(tmp_path):
    salts, made = Salts(tmp_path), committed_to(window())
    assert salts.keep(1900, made)
    salt = salts.find(made.digest())
    assert salt is not None
    assert opens_window(window(), salt, made.digest())
    assert stat.S_IMODE((tmp_path / SALTS_NAME).stat().st_mode) == 0o600
    later = committed_to(window(begin_s=10_000))
    salts.keep(10_900, later)
    assert salts.retain(1900 + KEEP_S + 1) == 1
    assert salts.find(made.digest()) is None
    assert salts.find(later.digest()) == later.salt
    assert made.salt.hex() not in (tmp_path / SALTS_NAME).read_text()


def test_the_salt_of_a_quiet_window_is_thrown_away_because_it_could_be_guessed(tmp_path):
    """One lamp that was switched once: with the salt, a quarter of an hour of seconds times some lamps is soon tried."""
    tables = window(rows=1, begin_s=1007)
    made = committed_to(tables)
    guessed = [
        at_s
        for at_s in range(1000, 1020)
        for lamp in range(3)
        if opens_window([(at_s, {"asset": np.array([lamp]), "dimming_level": np.full(1, 0.7)})], made.salt, made.digest())
    ]
    assert guessed == [1007]
    salts = Salts(tmp_path)
    assert not salts.keep(1900, made)
    assert not salts.keep(1900, committed_to(window(rows=9)))
    assert not (tmp_path / SALTS_NAME).exists()


def test_a_line_that_a_crash_cut_off_costs_no_other(tmp_path):
    salts, made = Salts(tmp_path), committed_to(window())
    (tmp_path / SALTS_NAME).write_bytes(b'{"at_s":12,"commitm\n')
    salts.keep(1900, made)
    assert salts.find(made.digest()) == made.salt


def test_a_second_process_is_told_who_holds_the_ledger(tmp_path):
    with Ledger.open(tmp_path) as ledger:
        with pytest.raises(LedgerInUseError, match=r"in use by process \d+\. Stop that process"):
            Ledger.open(tmp_path)
        ledger.append(act(1))


def test_a_full_disk_loses_nothing_acknowledged_and_is_resumed(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with Ledger.open(tmp_path) as ledger:
            ledger.append(*(act(n) for n in range(20)))
            size = (tmp_path / "ledger.log").stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 150, before[1]))
            with pytest.raises(LedgerUnwritableError, match=r"The 20 entries before are safe\. Free space"):
                ledger.append(act(20), act(21))
            assert len(ledger) == 20
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            assert ledger.append(act(20)) == 20
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    verdict = verify(tmp_path)
    assert (verdict.entries, verdict.faults) == (21, ())


CHILD = f"""
import sys
from pathlib import Path
from lamplighter.ledger import Ledger, OperatorAct
{inspect.getsource(act)}
with Ledger.open(Path(sys.argv[1])) as ledger:
    while True:
        index = ledger.append(act(len(ledger)))
        if index % 5 == 0:
            ledger.checkpoint()
        sys.stdout.write(str(index) + chr(10))
        sys.stdout.flush()
"""


def test_kill_9_at_any_time_loses_no_acknowledged_entry(tmp_path):
    dice = random.Random(3)
    kept = []
    for _ in range(8):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        first = child.stdout.readline()
        time.sleep(dice.uniform(0, 0.2))
        child.send_signal(signal.SIGKILL)
        lines = [first, *child.stdout.read().splitlines(keepends=True)]
        child.wait()
        child.stdout.close()
        acknowledged = max(int(line) for line in lines if line.endswith("\n"))
        with Ledger.open(tmp_path) as ledger:
            assert len(ledger) > acknowledged
            assert [entry.at_s - 1_768_302_000 for entry in ledger.entries()] == list(range(len(ledger)))
            kept.append(ledger.checkpoint())
    assert verify(tmp_path, kept=kept).sound


def test_the_command_says_what_it_checked_and_where_it_broke(tmp_path):
    data = written(tmp_path / "ledger")
    with Ledger.open(tmp_path / "ledger") as ledger:
        (tmp_path / "kept").write_bytes(ledger.checkpoints()[0].note)
    said = CliRunner().invoke(command, [str(tmp_path), "--checkpoint", str(tmp_path / "kept")])
    assert said.exit_code == 0, said.output
    assert "The ledger is sound: 6 entries" in said.output
    assert "1 checkpoints kept elsewhere" in said.output
    (tmp_path / "ledger" / "ledger.log").write_bytes(data[:-200] + b"\x00" + data[-199:])
    said = CliRunner().invoke(command, [str(tmp_path)])
    assert said.exit_code == 1
    assert "is broken after entry" in said.output
    assert CliRunner().invoke(command, [str(tmp_path / "none")]).exit_code == 2
    (tmp_path / "kept").write_bytes(b"x")
    said = CliRunner().invoke(command, [str(tmp_path), "--checkpoint", str(tmp_path / "kept")])
    assert said.exit_code == 2
    assert "no signed checkpoint" in said.output


def test_threads_may_append_at_once(tmp_path):
    with Ledger.open(tmp_path) as ledger:
        workers = [
            threading.Thread(target=lambda: [ledger.append(act(n)) and ledger.checkpoint() for n in range(20)]) for _ in range(4)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert len(ledger) == 80
    assert verify(tmp_path).sound


def test_the_budget_entry_travels_whole(tmp_path):
    entry = ReleaseMade(1, "zone-hours", "2026", 20_000, "0" * 64)
    with Ledger.open(tmp_path) as ledger:
        ledger.append(entry)
        assert next(ledger.entries()) == entry
