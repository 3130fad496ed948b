# SPDX-License-Identifier: Apache-2.0
"""`lamplighter verify`: is the ledger what was written, all of it and nothing else?"""

import sys
from pathlib import Path
from typing import NoReturn

import click

from lamplighter.ledger import FILE_NAME, Checkpoint, Verifier
from lamplighter.ledger import verify as verify_ledger


@click.command(name="verify")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--key", "key_file", type=click.Path(path_type=Path, dir_okay=False), help="Public key of the log, kept elsewhere.")
@click.option(
    "--checkpoint",
    "checkpoint_files",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="A signed checkpoint that you kept from earlier; may be given several times.",
)
def verify(folder: Path, key_file: Path | None, checkpoint_files: tuple[Path, ...]) -> None:
    """Check the ledger in FOLDER: nothing changed, nothing missing.

    Reads every entry, rebuilds the tree over them (RFC 6962) and checks every signed checkpoint against it. With a
    checkpoint that you kept, it also shows that nothing before it was rewritten. Works offline and changes nothing.
    Ends with 0 where the ledger is sound, with 1 where it is not, with 2 where it could not be checked.
    """
    where = folder if (folder / FILE_NAME).exists() else folder / "ledger"
    if not (where / FILE_NAME).exists():
        _stop(f"{folder}: there is no {FILE_NAME} here or in {where.name}/; name the data folder of a city that has run")
    try:
        key = Verifier.parse(key_file.read_text()) if key_file else None
        kept = [Checkpoint.parse(path.read_bytes()) for path in checkpoint_files]
    except (OSError, ValueError) as error:
        _stop(f"cannot use what was given with --key or --checkpoint: {error}")
    verdict = verify_ledger(where, key, kept)
    click.echo(f"Ledger {where / FILE_NAME}")
    for sentence in verdict.checked:
        click.echo(f"  checked: {sentence}")
    for fault in verdict.faults:
        click.echo(f"  FAULT: {fault}")
    if not verdict.sound:
        click.echo(f"The ledger is NOT sound: {len(verdict.faults)} faults; the first is the place to look.")
        sys.exit(1)
    click.echo(f"The ledger is sound: {verdict.entries} entries, root {verdict.root.hex()}.")


def _stop(message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(2)
