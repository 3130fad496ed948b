// SPDX-License-Identifier: Apache-2.0
/** The operators' part of the page. The server answers for it only on the machine itself; for everybody else it is not there. */
import { find, make, say } from "./dom";
import type { Clock } from "./format";
import type { Box, Desk, Found, Live, Scene, Wish } from "./types";
import { ask, look } from "./wire";

const STANDING_MS = 1000;
const QUIET_MS = 5000;
const FOUND_MS = 15_000;
const STATES: Record<string, [sign: string, word: string]> = {
  stands: ["✓", "permitted"],
  waiting: ["…", "is put to the safety gate"],
  refused: ["✕", "refused for now, and asked again"],
  ended: ["↩", "has ended"],
};

/** Ask for the operators' desk; nothing where this is not the place to operate from. */
export async function desk(): Promise<Desk | null> {
  try {
    return await look<Desk>("desk");
  } catch {
    return null;
  }
}

export class Room {
  readonly reasons: string[];
  private readonly boxes = new Map<string, Box>();
  private readonly titles: Map<string, string>;
  private wishes: Wish[] = [];
  private now_s = 0;
  private timer = 0;
  private drawn = "";
  private spoken = "";
  private ends: [wish: Wish, element: HTMLElement][] = [];
  private readonly names = new Map<string, string>();
  private mirrored: { box: string; list: HTMLElement } | null = null;

  constructor(
    desk: Desk,
    private readonly scene: Scene,
    private readonly clock: Clock,
    private readonly open: (asset: string) => void,
    private readonly tell: (text: string) => void,
  ) {
    this.reasons = desk.reasons;
    this.titles = new Map(scene.services.map((one) => [one.name, one.title]));
    for (const one of desk.requests) this.names.set(`${one.service} ${one.action}`, one.title);
    for (const box of desk.boxes) this.boxes.set(box.asset, box);
    find("room").hidden = desk.boxes.length === 0;
    find("room-boxes").append(...desk.boxes.map((one) => make("option", { value: one.asset }, `${one.street}, ${this.titles.get(one.service) ?? one.service}`)));
    find<HTMLFormElement>("room-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.choose(find<HTMLInputElement>("room-box"));
    });
    const watched = desk.watched.map((one) => one.doc).join(" ");
    find("found").hidden = desk.watched.length === 0;
    say(find("found-doc"), watched);
    find("found-list").addEventListener("click", (event) => {
      const asset = (event.target as HTMLElement).closest<HTMLElement>("[data-asset]")?.dataset.asset;
      if (asset) this.open(asset);
    });
    void this.renew();
    if (desk.watched.length) void this.stands();
  }

  box(asset: string): Box | undefined {
    return this.boxes.get(asset);
  }

  show(live: Live): void {
    this.now_s = live.now_s;
    for (const [wish, end] of this.ends) say(end, left(wish.until_s - this.now_s));
  }

  /** Show the wishes of one box in a list of its own too, beside what may be asked of it. */
  mirror(box: string, list: HTMLElement): void {
    this.mirrored = { box, list };
    this.drawn = "";
    this.draw();
  }

  /** Ask how the wishes stand, soon again while one does. */
  async renew(): Promise<void> {
    clearTimeout(this.timer);
    try {
      this.wishes = (await look<Wish[]>("wishes")).filter((one) => !one.ended);
      this.draw();
    } catch {
      // the page says already that the connection is lost; what stands is shown as of then
    }
    this.timer = window.setTimeout(() => void this.renew(), this.wishes.length ? STANDING_MS : QUIET_MS);
  }

  private choose(typed: HTMLInputElement): void {
    const wanted = typed.value.trim().toLowerCase();
    const hit = [...this.boxes.values()].find((one) => one.asset.toLowerCase() === wanted) ?? [...this.boxes.values()].find((one) => wanted && one.street.toLowerCase().includes(wanted));
    if (hit) this.open(hit.asset);
    else this.tell(`There is no box ${typed.value ? `“${typed.value}”` : "without a name"}; the list offers those there are.`);
  }

  private draw(): void {
    const key = JSON.stringify(this.wishes);
    if (key === this.drawn) return;
    this.drawn = key;
    this.ends = [];
    this.fill(find("wishes"), this.wishes);
    const { box, list } = this.mirrored ?? {};
    if (list) this.fill(list, this.wishes.filter((wish) => wish.boxes.some((one) => one.asset === box)));
    this.speak();
  }

  private fill(list: HTMLElement, wishes: Wish[]): void {
    const held = list.contains(document.activeElement) ? (document.activeElement as HTMLElement).dataset.wish : undefined;
    list.hidden = wishes.length === 0;
    list.replaceChildren(...wishes.map((one) => this.row(one)));
    if (held) (list.querySelector<HTMLElement>(`[data-wish="${held}"]`) ?? list.closest<HTMLElement>("[tabindex]"))?.focus({ preventScroll: true });
  }

  private row(wish: Wish): HTMLElement {
    const end = make("span", { class: "left" }, left(wish.until_s - this.now_s));
    this.ends.push([wish, end]);
    const boxes = wish.boxes.map((one) => {
      const [sign, word] = STATES[one.state] ?? ["", one.state];
      return make("li", { class: `wish-box ${one.state}` }, make("span", { class: "sign", "aria-hidden": "true" }, sign), make("span", {}, make("strong", {}, one.asset), ` ${word}`, one.text ? make("span", { class: "small mute block" }, one.text) : null));
    });
    const title = this.titles.get(wish.service) ?? wish.service;
    return make(
      "li",
      { class: "wish" },
      make("header", {}, make("span", {}, make("strong", {}, this.name(wish)), ` · ${wish.reason}`, make("span", { class: "hidden" }, ` · ${title}`)), end),
      make("ul", {}, ...boxes),
      make("button", { type: "button", class: "plain", "data-wish": String(wish.number), click: () => void this.withdraw(wish.number) }, "End it now"),
    );
  }

  private name(wish: Wish): string {
    const title = this.names.get(`${wish.service} ${wish.action}`);
    if (title) return title;
    const text = wish.action.replaceAll("_", " ");
    return text.charAt(0).toUpperCase() + text.slice(1);
  }

  private async withdraw(number: number): Promise<void> {
    try {
      const done = await ask(`withdraw/${number}`);
      this.tell(done.charAt(0).toUpperCase() + done.slice(1));
    } catch (fault) {
      this.tell((fault as Error).message);
    }
    await this.renew();
  }

  private speak(): void {
    const text = this.wishes.flatMap((wish) => wish.boxes.map((one) => `${this.name(wish)}, ${one.asset}: ${STATES[one.state]?.[1] ?? one.state}. ${one.state === "refused" ? one.text : ""}`)).join(" ");
    if (text === this.spoken) return;
    this.spoken = text;
    say(find("wish-spoken"), text || "No wish stands.");
  }

  private async stands(): Promise<void> {
    try {
      this.findings(await look<Found[]>("found"));
    } catch {
      // asked again below
    }
    setTimeout(() => void this.stands(), FOUND_MS);
  }

  private findings(found: Found[]): void {
    say(find("found-count"), found.length ? String(found.length) : "");
    const rows = found.map((one) => {
      const span = `${this.clock.minutes(one.begin_s)}–${this.clock.minutes(one.end_s)}`;
      const where = this.boxes.has(one.asset) || this.scene.simulated ? make("button", { type: "button", class: "link", "data-asset": one.asset }, one.asset) : one.asset;
      return make("li", {}, make("p", { class: "mute meta" }, where, ` · ${span}`), make("p", {}, one.text));
    });
    const list = find("found-list");
    if (list.contains(document.activeElement)) return;
    list.replaceChildren(...(rows.length ? rows : [make("li", { class: "mute" }, "Nothing yet: what stands out is told once an hour of the city's time is over.")]));
  }
}

/** What is left of a while, as a clock shows it. */
function left(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
