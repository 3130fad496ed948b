// SPDX-License-Identifier: Apache-2.0
/** Why an asset does what it does: sentences first, then the values they rest on, with their age. */
import type { Asking } from "./asking";
import type { City } from "./city";
import { find, make } from "./dom";
import { age, capital, quantityWords, words, withUnit } from "./format";
import { codeNames } from "./palette";
import type { Room } from "./room";
import type { Why } from "./types";

const AGAIN_MS = 2500;

export class WhyPanel {
  private readonly panel = find("why");
  private open: string | null = null;
  private timer = 0;
  private from: HTMLElement | null = null;
  private drawn = "";
  private readonly told = make("div", {});

  constructor(
    private readonly city: City,
    private readonly asking: Asking,
    private readonly room: Room | null,
    private readonly changed: (asset: number | null) => void,
  ) {
    this.panel.replaceChildren(this.told, asking.element);
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.open && !document.querySelector("dialog[open]")) this.close();
    });
  }

  async show(id: string): Promise<void> {
    if (!this.open) this.from = document.activeElement as HTMLElement | null;
    this.open = id;
    this.drawn = "";
    const position = this.city.position(id);
    this.changed(position >= 0 ? position : null);
    this.panel.hidden = false;
    this.told.replaceChildren(make("p", { class: "mute" }, "Asking …"));
    this.asking.show("", null);
    if (this.city.scene.simulated) await this.ask();
    else this.real(id);
    this.panel.focus({ preventScroll: true });
  }

  close(): void {
    this.open = null;
    this.asking.show("", null);
    clearTimeout(this.timer);
    this.panel.hidden = true;
    this.changed(null);
    if (this.from?.isConnected) this.from.focus({ preventScroll: true });
  }

  private async ask(): Promise<void> {
    const id = this.open;
    if (!id) return;
    clearTimeout(this.timer);
    try {
      const answer = await fetch(`/api/explain/${encodeURIComponent(id)}`);
      const said = (await answer.json()) as Why & { detail?: string };
      if (this.open !== id) return;
      if (answer.ok) this.draw(said);
      else this.tell(said.detail ?? `The server answered ${answer.status}.`);
    } catch {
      this.tell("The city does not answer. This panel asks again.");
    }
    if (this.open === id) this.timer = window.setTimeout(() => void this.ask(), AGAIN_MS);
  }

  /** Of a real city no asset is shown; an operator may still ask something of its boxes. */
  private real(id: string): void {
    const box = this.room?.box(id);
    const service = this.city.scene.services.find((one) => one.name === box?.service);
    this.told.replaceChildren(this.head(id, box ? `${box.street} · ${service?.title ?? box.service}` : ""), make("p", { class: "mute" }, "Single assets of a real city are not shown. What may be asked of this one:"));
    this.asking.show(id, service?.inquiry ?? null);
  }

  private tell(text: string): void {
    this.told.replaceChildren(this.head("Not known", ""), make("p", {}, text));
  }

  /** A code reads as its name where a layer of the map names it. */
  private value(one: Why["values"][number]): string {
    const coded = this.city.layers.find((layer) => layer.quantity === one.quantity && layer.palette === "stage");
    return (coded && codeNames(coded)[Math.round(one.value)]) ?? withUnit(one.value, one.unit, one.quantity);
  }

  private head(title: string, under: string): HTMLElement {
    return make(
      "header",
      {},
      make("div", {}, make("h2", {}, title), make("p", { class: "mute" }, under)),
      make("button", { type: "button", class: "round small", "aria-label": "Close", click: () => this.close() }, "×"),
    );
  }

  private draw(why: Why): void {
    const key = JSON.stringify(why);
    if (key === this.drawn) return;
    this.drawn = key;
    const again = this.told.contains(document.activeElement);
    const of = this.city.scene.services.find((one) => one.name === why.service);
    const service = of?.title ?? why.service;
    const street = this.city.signOf(why.street);
    const facts = make("dl", {});
    const fact = (name: string, value: string | Node): void => {
      if (value) facts.append(make("dt", {}, name), make("dd", {}, value));
    };
    fact("Street", street);
    fact("Area", why.area);
    if (why.box && why.box !== why.asset) fact("Belongs to", make("button", { type: "button", class: "link", click: () => void this.show(why.box) }, why.box));
    if (why.fed_by) fact("Fed by", make("button", { type: "button", class: "link", click: () => void this.show(why.fed_by) }, why.fed_by));
    const rows = why.values.map((one) =>
      make("tr", {}, make("th", { scope: "row" }, quantityWords(one.quantity, one.unit)), make("td", {}, this.value(one)), make("td", { class: "mute" }, age(one.age_s))),
    );
    const children: Node[] = [this.head(why.asset, `${capital(words(why.kind))} · ${service}`), make("div", { class: "sentences" }, ...why.sentences.map((one) => make("p", {}, one))), facts];
    if (rows.length) children.push(make("table", {}, make("caption", { class: "hidden" }, "Values it rests on"), make("tbody", {}, ...rows)));
    this.told.replaceChildren(...children);
    this.asking.show(why.box, of?.inquiry ?? null);
    if (again) this.told.querySelector<HTMLElement>("button")?.focus({ preventScroll: true });
  }
}
