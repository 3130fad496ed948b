// SPDX-License-Identifier: Apache-2.0
/** The page: one scene that does not change, one stream that does, and everybody who shows them. */
import "./style.css";
import { about } from "./about";
import { Asking } from "./asking";
import { Card } from "./charts";
import { City, type Named } from "./city";
import { find, make, say } from "./dom";
import { Clock, number, withUnit } from "./format";
import { Legend } from "./legend";
import { Lines } from "./lines";
import type { CityMap } from "./map";
import { codeNames, DAY, NIGHT, type Theme } from "./palette";
import { desk, Room } from "./room";
import { Search } from "./search";
import { Table } from "./table";
import type { Desk, Live, Scene } from "./types";
import { WhyPanel } from "./why";
import { ask, listen } from "./wire";

const SPEEDS = [1, 5, 10, 20, 60, 120, 300, 600, 3600];
const CONFIRM_MS = 8000;

let theme: Theme = matchMedia("(prefers-color-scheme: light)").matches ? DAY : NIGHT;
let saidTimer = 0;

function tell(text: string): void {
  const said = find("said");
  said.hidden = false;
  say(said, text);
  clearTimeout(saidTimer);
  saidTimer = window.setTimeout(() => (said.hidden = true), 6000);
}

function hasWebGL(): boolean {
  try {
    return document.createElement("canvas").getContext("webgl2") !== null;
  } catch {
    return false;
  }
}

/** Ask, and say what came of it, in the server's words where it refuses. */
function wish(what: string, data: unknown = {}, spoken = true): void {
  ask(what, data)
    .then((done) => spoken && tell(done.charAt(0).toUpperCase() + done.slice(1)))
    .catch((fault: Error) => tell(fault.message));
}

class Controls {
  private live: Live | null = null;
  private armed = 0;
  private readonly play = find<HTMLButtonElement>("play");
  private readonly speed = find<HTMLSelectElement>("speed");
  private readonly back = find<HTMLButtonElement>("hand-back");
  private readonly cancel = find<HTMLButtonElement>("hand-back-cancel");

  constructor(private readonly clock: Clock) {
    this.play.addEventListener("click", () => wish(this.live?.running ? "pause" : "play"));
    for (const one of SPEEDS) this.speed.append(make("option", { value: String(one) }, `${one}×`));
    this.speed.addEventListener("change", () => wish("speed", { speed: Number(this.speed.value) }, false));
    this.back.addEventListener("click", () => this.handBack());
    this.cancel.addEventListener("click", () => {
      this.disarm();
      this.back.focus();
    });
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.armed && this.disarm());
  }

  private handBack(): void {
    if (!this.armed) {
      this.armed = window.setTimeout(() => this.disarm(), CONFIRM_MS);
      this.back.classList.add("armed");
      this.label("Press again: hand everything back", "Press again");
      this.cancel.hidden = false;
      tell("Press once more and every box returns to its own programme.");
      return;
    }
    this.disarm();
    wish("hand-back");
  }

  private disarm(): void {
    clearTimeout(this.armed);
    this.armed = 0;
    this.back.classList.remove("armed");
    this.cancel.hidden = true;
    this.label("Hand everything back", "Hand back");
  }

  private label(long: string, short: string): void {
    say(this.back.querySelector<HTMLElement>(".long")!, long);
    say(this.back.querySelector<HTMLElement>(".short")!, short);
  }

  show(live: Live): void {
    this.live = live;
    say(find("clock"), this.clock.full(live.now_s));
    say(find("date"), this.clock.date(live.now_s));
    this.play.dataset.running = String(live.running);
    this.play.setAttribute("aria-label", live.running ? "Pause the city" : "Let the city run");
    this.play.disabled = live.ended;
    if (document.activeElement !== this.speed) {
      const value = String(live.speed);
      if (![...this.speed.options].some((one) => one.value === value)) this.speed.append(make("option", { value }, `${number(live.speed)}×`));
      this.speed.value = value;
    }
    const behind = live.running && live.speed_reached > 0 && live.speed_reached < live.speed * 0.9;
    say(find("reached"), live.ended ? "the run has ended" : !live.running ? "paused" : behind ? `reaches ${live.speed_reached.toFixed(live.speed_reached < 10 ? 1 : 0)}×` : "");
  }
}

class Page {
  private readonly city: City;
  private readonly cards: Map<string, Card>;
  private readonly table: Table;
  private readonly legend: Legend;
  private readonly why: WhyPanel;
  private readonly controls: Controls;
  private readonly lines: Lines;
  private readonly room: Room | null;
  private map: CityMap | null = null;
  private live: Live | null = null;

  constructor(scene: Scene, found: Desk | null) {
    document.body.dataset.plane = found ? "room" : "public";
    this.city = new City(scene);
    const clock = new Clock(scene.timezone);
    document.title = `lamplighter · ${scene.title}`;
    say(find("city"), scene.title);
    const badge = find("simulated");
    badge.hidden = !scene.simulated;
    badge.title = scene.note;
    // Short on the map; the licences in full stand under About, and in the title.
    say(find("credit"), scene.attribution.map((line) => line.split(",")[0]).join(" · "));
    find("credit").title = scene.attribution.join("\n");
    if (!scene.simulated) say(find("without-text"), "own programme");
    about(scene);
    this.controls = new Controls(clock);
    this.cards = new Map(scene.services.map((service) => [service.name, new Card(service, scene, clock, tell)]));
    find("cards").append(...[...this.cards.values()].map((card) => card.element));
    this.room = found && new Room(found, scene, clock, (asset) => pick(asset), tell);
    const asking = new Asking(clock, this.room, () => this.live?.now_s ?? scene.begin_s, tell);
    this.why = new WhyPanel(this.city, asking, this.room, (asset) => this.map?.pick(asset));
    const pick = (asset: string): void => void this.why.show(asset);
    this.lines = new Lines(clock, new Map(scene.services.map((one) => [one.name, one.title])), pick);
    this.table = new Table(find("table"), this.city, pick);
    this.legend = new Legend(this.city, theme, (layer, on) => { this.map?.visible(layer, on); this.refresh(); }, (on) => this.map?.vehicles(on));
    new Search(this.city, (named) => this.go(named));
    this.buttons();
  }

  private buttons(): void {
    find("as-map").addEventListener("click", () => this.as("map"));
    find("as-table").addEventListener("click", () => this.as("table"));
    find("open-about").addEventListener("click", () => {
      find<HTMLDetailsElement>("more").open = false;
      find<HTMLDialogElement>("about").showModal();
    });
    find("theme").addEventListener("click", () => this.dress(theme.night ? DAY : NIGHT));
    const more = find<HTMLDetailsElement>("more");
    document.addEventListener("click", (event) => {
      if (more.open && !more.contains(event.target as Node)) more.open = false;
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && more.open) {
        more.open = false;
        more.querySelector<HTMLElement>("summary")?.focus();
      }
    });
  }

  async draw(): Promise<void> {
    if (!hasWebGL()) {
      this.as("table");
      find<HTMLButtonElement>("as-map").disabled = true;
      find("as-map").title = "This browser has no WebGL, so the map cannot be drawn; the table holds the same values.";
      tell("This browser cannot draw the map (no WebGL): the table holds the same values.");
      find("loading").hidden = true;
      document.body.dataset.ready = "table";
      return;
    }
    const { CityMap } = await import("./map");
    this.map = new CityMap(find("map"), find<HTMLCanvasElement>("overlay"), this.city, theme, {
      pick: (asset) => void this.why.show(this.city.id(asset)),
      hover: (asset, layer, x, y) => this.tip(asset, layer, x, y),
    });
    await this.map.ready;
    for (const layer of this.legend.hiddenLayers()) this.map.visible(layer, false);
    this.refresh();
    find("loading").hidden = true;
    document.body.dataset.ready = "map";
  }

  start(): void {
    const connection = find("connection");
    listen({
      live: (live) => this.show(live),
      charts: (series) => this.cards.forEach((card) => card.show(series)),
      lines: (lines) => this.lines.show(lines),
      lost: () => {
        connection.hidden = false;
        document.body.classList.add("stale");
        say(connection, `Connection lost. What you see stands as of ${find("clock").textContent}; trying again …`);
      },
      back: () => {
        connection.hidden = true;
        document.body.classList.remove("stale");
        tell("Connected again.");
      },
    });
  }

  private show(live: Live): void {
    this.live = live;
    this.controls.show(live);
    this.room?.show(live);
    for (const state of live.services) this.cards.get(state.name)?.stand(state);
    this.table.show(live);
    this.map?.show(live);
    const faults = find("faults");
    faults.hidden = live.faults.length === 0;
    say(faults, live.faults.join(" "));
  }

  private refresh(): void {
    if (this.live) this.map?.show(this.live);
  }

  private as(view: "map" | "table"): void {
    const table = view === "table";
    document.body.dataset.view = view;
    find("table").hidden = !table;
    find("as-map").setAttribute("aria-pressed", String(!table));
    find("as-table").setAttribute("aria-pressed", String(table));
    if (table) this.table.draw(true);
  }

  private go(named: Named | null): void {
    this.map?.mark(named?.streets ?? []);
    this.table.filter(named?.streets ?? null);
    if (named) {
      this.map?.flyTo(named.west, named.south, named.east, named.north);
      tell(`${named.name} is marked on the map.`);
    }
  }

  private tip(asset: number | null, layer: string, x: number, y: number): void {
    const tip = find("tip");
    const shown = asset === null ? undefined : this.city.layer(layer);
    tip.hidden = !shown;
    if (asset === null || !shown) return;
    const values = this.live?.layers.get(layer);
    const at = values ? values.asset.indexOf(asset) : -1;
    const value = at >= 0 ? values!.value[at]! : null;
    const text = shown.palette === "stage" && value !== null ? (codeNames(shown)[Math.round(value)] ?? "") : withUnit(value, shown.unit, shown.quantity);
    tip.replaceChildren(make("strong", {}, this.city.id(asset)), make("span", {}, `${this.city.streetName(asset)} `), make("span", { class: "tip-value" }, `${shown.words}: ${text}`));
    const room = find("stage").clientWidth;
    tip.style.left = `${Math.min(x + 14, room - 220)}px`;
    tip.style.top = `${y + 14}px`;
  }

  dress(wanted: Theme): void {
    theme = wanted;
    document.documentElement.dataset.theme = theme.night ? "night" : "day";
    say(find("theme"), theme.night ? "Day colours" : "Night colours");
    this.map?.dress(theme);
    this.legend.dress(theme);
    this.cards.forEach((card) => card.dress());
  }
}

async function begin(): Promise<void> {
  document.documentElement.dataset.theme = theme.night ? "night" : "day";
  say(find("theme"), theme.night ? "Day colours" : "Night colours");
  try {
    const [answer, found] = await Promise.all([fetch("/api/scene"), desk()]);
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    const page = new Page((await answer.json()) as Scene, found);
    page.start();
    await page.draw();
  } catch (fault) {
    say(find("loading-text"), `The city cannot be shown: ${(fault as Error).message}. Is lamplighter still running? This page tries again in 5 s.`);
    setTimeout(() => location.reload(), 5000);
  }
}

void begin();
