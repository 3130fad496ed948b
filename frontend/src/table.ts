// SPDX-License-Identifier: Apache-2.0
/** The same values as a table: where there is no WebGL, for screen readers, and for everybody who likes rows. */
import type { City, ShownLayer } from "./city";
import { make, say } from "./dom";
import { capital, shownUnit, withUnit, words } from "./format";
import { codeNames } from "./palette";
import type { Live } from "./types";

type Row = { id: string; street: string; area: string; value: number | null; size: string };
type Key = "id" | "street" | "area" | "value";
const PAGE = 100;
const EVERY_MS = 1500;

export class Table {
  private layer: string;
  private key: Key = "value";
  private down = true;
  private pages = 1;
  private street: Set<number> | null = null;
  private drawnAt = Number.NEGATIVE_INFINITY;
  private live: Live | null = null;
  private readonly select: HTMLSelectElement;
  private readonly body = make("tbody");
  private readonly heads = new Map<Key, HTMLTableCellElement>();
  private readonly caption = make("caption", {});
  private readonly more: HTMLButtonElement;
  private readonly count = make("p", { class: "mute", role: "status" });

  constructor(
    private readonly element: HTMLElement,
    private readonly city: City,
    private readonly pick: (asset: string) => void,
  ) {
    this.layer = city.layers[0]?.name ?? "";
    this.select = make("select", { "aria-label": "Which values", change: () => this.choose() });
    for (const service of city.scene.services) {
      const group = make("optgroup", { label: service.title });
      for (const layer of service.layers) group.append(make("option", { value: layer.name }, `${capital(words(layer.name))}: ${layer.doc}`));
      this.select.append(group);
    }
    this.more = make("button", { type: "button", class: "plain", click: () => { this.pages += 1; this.draw(true); } }, "Show more rows");
    const head = make("tr");
    const real = !city.scene.simulated;
    const columns: [Key, string][] = real ? [["area", "Area"], ["street", "Assets in it"], ["value", "Mean"]] : [["id", "Asset"], ["street", "Street"], ["area", "Area"], ["value", "Value"]];
    for (const [key, text] of columns) {
      const cell = make("th", { scope: "col", class: key }, make("button", { type: "button", click: () => this.sort(key) }, text));
      this.heads.set(key, cell);
      head.append(cell);
    }
    element.append(
      make("div", { class: "table-tools" }, this.select, this.count),
      make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Values" }, make("table", {}, this.caption, make("thead", {}, head), this.body), this.more),
    );
    this.body.addEventListener("click", (event) => {
      const asset = (event.target as HTMLElement).closest<HTMLElement>("[data-asset]")?.dataset.asset;
      if (asset) this.pick(asset);
    });
  }

  show(live: Live): void {
    this.live = live;
    if (!this.element.hidden && performance.now() - this.drawnAt > EVERY_MS) this.draw();
  }

  /** Keep only assets on these streets; null shows all. */
  filter(streets: number[] | null): void {
    this.street = streets ? new Set(streets) : null;
    this.pages = 1;
    this.draw(true);
  }

  private choose(): void {
    this.layer = this.select.value;
    this.pages = 1;
    this.draw(true);
  }

  private sort(key: Key): void {
    this.down = this.key === key ? !this.down : key === "value";
    this.key = key;
    this.draw(true);
  }

  draw(force = false): void {
    if (!this.live) return;
    if (!force && this.body.contains(document.activeElement)) return;
    this.drawnAt = performance.now();
    const layer = this.city.layer(this.layer);
    if (!layer) return;
    const rows = this.rows(layer);
    const { key } = this;
    const sign = this.down ? -1 : 1;
    rows.sort((a, b) => sign * (key === "value" ? (a.value ?? -Infinity) - (b.value ?? -Infinity) : a[key].localeCompare(b[key], "de", { numeric: true })) || a.id.localeCompare(b.id, "de", { numeric: true }));
    for (const [name, cell] of this.heads) cell.setAttribute("aria-sort", name === key ? (this.down ? "descending" : "ascending") : "none");
    const unit = shownUnit(layer.unit, layer.quantity);
    say(this.caption, `${capital(layer.words)}${unit ? `, ${unit}` : ""} – ${layer.doc}`);
    const shown = rows.slice(0, this.pages * PAGE);
    const names = layer.palette === "stage" ? codeNames(layer) : null;
    this.body.replaceChildren(...shown.map((row) => this.row(row, layer, names)));
    say(this.count, rows.length > shown.length ? `${shown.length} of ${rows.length} rows` : `${rows.length} rows`);
    this.more.hidden = rows.length <= shown.length;
  }

  private rows(layer: ShownLayer): Row[] {
    const { city, live } = this;
    if (!live) return [];
    if (!city.scene.simulated) {
      const found = live.areas?.find((one) => one.layer === layer.name);
      return (found?.area ?? []).map((area, at) => ({ id: area, street: String(found!.assets[at]), area, value: found!.mean[at] ?? null, size: "" }));
    }
    const values = live.layers.get(layer.name);
    if (!values) return [];
    const rows: Row[] = [];
    values.asset.forEach((asset, at) => {
      if (this.street) {
        const on = city.streetOf(asset);
        if (on === null || !this.street.has(on)) return;
      }
      const value = values.value[at]!;
      rows.push({ id: city.id(asset), street: city.streetName(asset), area: city.area(asset), value: Number.isFinite(value) ? value : null, size: "" });
    });
    return rows;
  }

  private row(row: Row, layer: ShownLayer, names: string[] | null): HTMLElement {
    const value = names && row.value !== null ? (names[Math.round(row.value)] ?? String(row.value)) : withUnit(row.value, layer.unit, layer.quantity);
    if (!this.city.scene.simulated) return make("tr", {}, make("th", { scope: "row" }, row.area), make("td", {}, row.street), make("td", { class: "value" }, value));
    const bar = make("span", { class: "bar", "aria-hidden": "true" });
    const share = row.value === null || names ? 0 : (row.value - layer.low) / (layer.high - layer.low);
    bar.style.width = `${Math.max(0, Math.min(1, share)) * 56}px`;
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, make("button", { type: "button", class: "link", "data-asset": row.id }, row.id)),
      make("td", {}, row.street),
      make("td", {}, row.area),
      make("td", { class: "value" }, names ? null : bar, value),
    );
  }
}
