// SPDX-License-Identifier: Apache-2.0
/** What the colours mean, with units; each layer can be taken off the map. */
import type { City, ShownLayer } from "./city";
import { find, make } from "./dom";
import { capital, number, shownUnit, words } from "./format";
import { ramp, type Theme } from "./palette";

export class Legend {
  private readonly off = new Set<string>();
  private readonly list = find("legend-list");

  constructor(
    private readonly city: City,
    private theme: Theme,
    private readonly changed: (layer: string, on: boolean) => void,
    private readonly vehicles: (on: boolean) => void,
  ) {
    for (const service of city.scene.services) {
      const drawn = city.layers.filter((one) => one.service === service);
      // At first: what a service shows first, and a second layer only where it is a few signs beside lines.
      const signs = drawn[0]?.geometry === "line" && drawn[1]?.geometry === "point" && !drawn[1].many;
      for (const layer of drawn.slice(signs ? 2 : 1)) this.off.add(layer.name);
    }
    this.draw();
    if (innerWidth < 760) find<HTMLDetailsElement>("legend").open = false;
  }

  hiddenLayers(): string[] {
    return [...this.off];
  }

  dress(theme: Theme): void {
    this.theme = theme;
    this.draw();
  }

  private draw(): void {
    const rows: Node[] = this.city.layers.map((layer) => this.row(layer));
    if (this.city.scene.simulated) {
      const box = make("input", { type: "checkbox", checked: true, change: (event) => this.vehicles((event.target as HTMLInputElement).checked) });
      const dot = (colour: string, text: string): Node => {
        const sign = make("i", { class: "dot" });
        sign.style.background = colour;
        return make("span", { class: "code" }, sign, text);
      };
      rows.push(
        make("div", { class: "legend-row" }, make("label", { class: "check" }, box, "Vehicles", make("span", { class: "mute small" }, "no number kept")), make("div", { class: "codes" }, dot(this.theme.car, "car"), dot(this.theme.heavy, "bus or tram"), dot(this.theme.soft, "bicycle or on foot"))),
      );
    }
    this.list.replaceChildren(...rows);
  }

  private row(layer: ShownLayer): HTMLElement {
    const rest = make("div", { hidden: this.off.has(layer.name) });
    const shades = ramp(layer, layer.geometry === "point" && layer.many, this.theme);
    const box = make("input", {
      type: "checkbox",
      checked: !this.off.has(layer.name),
      change: (event) => {
        const on = (event.target as HTMLInputElement).checked;
        if (on) this.off.delete(layer.name);
        else this.off.add(layer.name);
        rest.hidden = !on;
        this.changed(layer.name, on);
      },
    });
    const label = make("label", { class: "check", title: layer.doc }, box, capital(words(layer.name)), make("span", { class: "mute small" }, words(layer.name).includes(layer.words) ? "" : layer.words));
    if (shades.names) {
      const codes = make("div", { class: "codes" });
      shades.stops.slice(0, 8).forEach(([code, colour]) => {
        const sign = make("i", { class: "dot" });
        sign.style.background = colour;
        codes.append(make("span", { class: "code" }, sign, shades.names?.[code] ?? String(code)));
      });
      rest.append(codes);
      return make("div", { class: "legend-row" }, label, rest);
    }
    const unit = shownUnit(layer.unit, layer.quantity);
    const percent = unit === "%";
    const end = (value: number): string => (percent ? `${Math.round(value * 100)} %` : `${number(value)}${unit ? ` ${unit}` : ""}`);
    const bar = make("span", { class: "ramp" });
    const first = shades.stops[0]![0];
    const last = shades.stops[shades.stops.length - 1]![0];
    bar.style.background = `linear-gradient(90deg, ${shades.stops.map(([, colour]) => colour).join(", ")})`;
    const scale = make("div", { class: "scale" }, make("span", {}, end(first)), bar, make("span", {}, end(last)));
    if (shades.over !== null) {
      const sign = make("i", { class: "dot square" });
      sign.style.background = this.theme.over;
      scale.append(make("span", { class: "code" }, sign, "over"));
    }
    rest.append(scale);
    return make("div", { class: "legend-row" }, label, rest);
  }
}
