# SPDX-License-Identifier: Apache-2.0
"""`lamplighter lighting talq ...`: a gateway for somebody's CMS, a look at somebody's gateway, a check of documents."""

import json
import time
import tomllib
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import click
from rich.console import Console
from rich.table import Table

from lamplighter.services.lighting.commands import group
from lamplighter.services.lighting.prepared import prepare
from lamplighter.services.lighting.talq import announced
from lamplighter.services.lighting.talq.protocol import RefusedError, read
from lamplighter.services.lighting.terms import CADENCE_S
from lamplighter.terms.city import CityData
from lamplighter.terms.simulation import SimulationStart

FILE_MAX_BYTES = 256 << 20
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_BOTH = "Serve in a certificate with --tls-cert and --tls-key; whoever asks must bear the token of --token-file."


@click.group()
def talq() -> None:
    """Speak TALQ 2.7.1 (lighting profile): serve, connect, check."""


@talq.command()
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option("--city", "city_name", help="A built city: says which announced lamps and meters are its assets.")
def check(files: tuple[Path, ...], city_name: str | None) -> None:
    """Check FILES: announced services, device classes, devices; logs, commands, calendars. Says what is wrong with each.

    Ends with 1 where lamplighter would refuse one of them.
    """
    console = Console(soft_wrap=True)
    documents = [_document(file) for file in files]
    bad = 0
    for file, document in zip(files, documents, strict=True):
        said = announced.verdict(document)
        bad += not said.sound
        state = "sound" if said.sound else "refused" if not said.wrong else "wrong"
        console.print(f"{file.name}: {said.count} {said.kind}: {state}", highlight=False)
        for title, rows in (
            ("wrong", said.wrong),
            ("refused", said.refused),
            ("mandatory in the profile, missing", said.missing),
        ):
            for row in rows[:40]:
                console.print(f"  {title}: {row}", highlight=False, markup=False)
            if len(rows) > 40:
                console.print(f"  {title}: {len(rows) - 40} more")
    if city_name is not None:
        city = _city(city_name)
        known = frozenset(str(name) for name in city.assets.id[city.span])
        paired, strange = announced.strangers(documents, known)
        console.print(f"{paired} announced lamps and meters are assets of {city.name}, {len(strange)} are not.")
        for name in strange[:20]:
            console.print(f"  not in the city: {name}", highlight=False, markup=False)
    if bad:
        raise SystemExit(1)


def _document(file: Path) -> Any:
    """Return a JSON file's document; ClickException where it is none."""
    if file.stat().st_size > FILE_MAX_BYTES:
        raise click.ClickException(f"{file}: {file.stat().st_size} bytes, allowed are {FILE_MAX_BYTES}; split the file")
    try:
        return read(file.read_bytes())
    except RefusedError as error:
        raise click.ClickException(f"{file}: {error}. Save what the gateway sent as it came") from error


def _city(name: str) -> CityData:
    return group.opened_city(name)[1]


@talq.command(epilog=_BOTH)
@click.argument("city_name", metavar="CITY")
@click.option("--cms", "cms_uri", required=True, help="Base address of the CMS, as in https://cms.example/talq/.")
@click.option("--own", "own_uri", help="Base address under which the CMS reaches us. Default: made of --host and --port.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", default=8443, show_default=True, type=click.IntRange(1, 65_535), help="Where to listen.")
@click.option("--token-file", type=_FILE, help="The token that the CMS must bear.")
@click.option("--cms-token-file", type=_FILE, help="The token that we bear to the CMS.")
@click.option("--tls-cert", "tls_cert_file", type=_FILE, help="Our certificate.")
@click.option("--tls-key", "tls_key_file", type=_FILE, help="Its key.")
@click.option("--tls-ca", "tls_ca_file", type=_FILE, help="Who signed the certificate of the CMS.")
@click.option("--client-ca", "client_ca_file", type=_FILE, help="Let in only who bears a certificate signed by this one.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0, 2**31 - 1), help="Seed of the simulated lamps.")
@click.option("--minutes", type=click.FloatRange(0.01), help="End after so many minutes. Default: Ctrl-C.")
def serve(city_name: str, cms_uri: str, own_uri: str | None, seed: int, minutes: float | None, **given: object) -> None:
    """Serve the lamps of the simulated CITY as a TALQ gateway to a CMS, in real time. SIMULATED: no lamp burns."""
    from lamplighter.connectors.https import Door, HttpClient, HttpServer, Peer, token_of
    from lamplighter.services.lighting.simulator import LightingField
    from lamplighter.services.lighting.talq.box import TalqGateway

    city = _city(city_name)
    if not city.simulated:
        raise click.ClickException(f"{city.name} is not simulated: its lamps have a gateway of their own. Nothing was started")
    files = cast("dict[str, Path | None]", given)
    host, port = str(given["host"]), cast("int", given["port"])
    scheme = "https" if files["tls_cert_file"] else "http"
    own = own_uri or f"{scheme}://{host}:{port}/"
    tls = files["tls_cert_file"], files["tls_key_file"], files["client_ca_file"]
    try:
        path = "/" + own.split("://", 1)[-1].partition("/")[2]
        door = Door(host, port, path, token_of(files["token_file"]), *tls)
        peer = Peer(cms_uri, token_of(files["cms_token_file"]), files["tls_ca_file"], tls[0], tls[1])
        gateway = TalqGateway(prepare(city), city.name, (own, cms_uri), lambda: str(uuid.uuid4()))
        server, client = HttpServer(door, lambda asked: gateway.answer(asked, time.time())), HttpClient(peer)
    except (ValueError, OSError) as error:
        raise click.ClickException(f"{error}. Nothing was started") from error
    begin_s = float(int(time.time() // CADENCE_S) * CADENCE_S)
    field = LightingField(SimulationStart(city, seed, begin_s, 0.0))
    click.echo(
        f"SIMULATED. {len(gateway.lamps.addresses())} devices of {city.name} at {own}, announcing to {cms_uri}. Ctrl-C ends."
    )
    said, stepped_s, end_s = "", begin_s, time.time() + 60.0 * minutes if minutes else float("inf")
    try:
        while time.time() < end_s:
            now_s = time.time()
            if now_s - stepped_s >= CADENCE_S:
                stepped_s += CADENCE_S
                with server.turn:
                    gateway.minute(field.advance(stepped_s, gateway.messages(), {}).readings, stepped_s)
            with server.turn:
                asked = gateway.next_request(now_s)
            if asked is not None:
                answer = client.ask(asked)
                with server.turn:
                    gateway.answered(answer, time.time())
            else:
                time.sleep(0.2)
            state = client.fault or gateway.fault or "connected; the CMS steers the simulated lamps"
            if state != said:
                click.echo(state)
                said = state
    except KeyboardInterrupt:
        click.echo("ended; simulated lamps end with it")
    finally:
        server.close()
        client.close()


@talq.command()
@click.argument("city_name", metavar="CITY")
@click.option("--wiring", "wiring_file", required=True, type=_FILE, help="The wiring file whose table [lighting] says how.")
@click.option("--minutes", default=5.0, show_default=True, type=click.FloatRange(0.01, 1440), help="How long to look.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write what was announced here.")
def connect(city_name: str, wiring_file: Path, minutes: float, json_file: Path | None) -> None:
    """Look at a gateway as its CMS, before `lamplighter run --wiring`: what it announces, which lamps are the city's.

    Nothing is installed and no lamp is commanded; loggers are configured, so that values can be seen to arrive.
    """
    from lamplighter.connectors.https import NEEDED, HttpClient, HttpServer, door_of, peer_of
    from lamplighter.services.lighting.talq.dialect import open_look

    city = _city(city_name)
    table = _lighting_table(wiring_file)
    missing = [key for key in NEEDED if key not in table]
    if missing:
        raise click.ClickException(f"{wiring_file} [lighting]: {', '.join(missing)} missing. Nothing was started")
    try:
        door, peer = door_of(table), peer_of(table)
        cms = open_look(city, prepare(city), table)
        server, client = HttpServer(door, lambda asked: cms.answer(asked, time.time())), HttpClient(peer)
    except (ValueError, OSError) as error:
        raise click.ClickException(f"{wiring_file} [lighting]: {error}. Nothing was started") from error
    click.echo(f"Listening for the gateway at {table['own_uri']}; nothing is commanded. Ctrl-C ends.")
    end_s, said = time.time() + 60.0 * minutes, ""
    try:
        while time.time() < end_s:
            with server.turn:
                asked = cms.next_request(time.time())
            if asked is not None:
                answer = client.ask(asked)
                with server.turn:
                    cms.answered(answer, time.time())
            else:
                time.sleep(0.2)
            with server.turn:
                state = cms.standing()
            if state != said:
                click.echo(state)
                said = state
    except KeyboardInterrupt:
        pass
    finally:
        server.close()
        client.close()
    _shown(cms.members(), cms.open_events())
    if json_file is not None:
        json_file.write_text(json.dumps(cms.members(), indent=2) + "\n", encoding="utf-8")


def _lighting_table(file: Path) -> Mapping[str, Any]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise click.ClickException(f"{file}: cannot be read ({error})") from error
    table = document.get("lighting")
    if not isinstance(table, dict) or cast("dict[str, Any]", table).get("connector") != "talq":
        raise click.ClickException(f'{file}: no table [lighting] with connector = "talq"')
    return cast("dict[str, Any]", table)


def _shown(members: Mapping[str, Any], events: Mapping[str, int]) -> None:
    table = Table(title="Announced")
    table.add_column("class")
    table.add_column("devices", justify="right")
    by_class: dict[str, int] = {}
    for member in members.values():
        by_class[member["class"]] = by_class.get(member["class"], 0) + 1
    for name, count in sorted(by_class.items()):
        table.add_row(name, str(count))
    Console().print(table)
    for name, count in sorted(events.items()):
        click.echo(f"{name}: {count}")
