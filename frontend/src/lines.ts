// SPDX-License-Identifier: Apache-2.0
/** The last decisions and refusals; what a person should hear is spoken seldom and politely. */
import { find, make, say } from "./dom";
import type { Clock } from "./format";
import type { Line } from "./types";

const KINDS: Record<Line["kind"], [sign: string, word: string]> = {
  permit: ["✓", "permitted"],
  refusal: ["✕", "refused"],
  hand_back: ["↩", "handed back"],
  operator: ["☞", "operator"],
  fault: ["!", "fault"],
};
const SPEAK_EVERY_MS = 8000;
const SHOWN = 60;

export class Lines {
  private lines: Line[] = [];
  private held = false;
  private spokenAt = 0;
  private spoken = "";
  private drawn = "";

  constructor(
    private readonly clock: Clock,
    private readonly titles: Map<string, string>,
    private readonly pick: (asset: string) => void,
  ) {
    const hold = find<HTMLButtonElement>("hold");
    hold.addEventListener("click", () => {
      this.held = !this.held;
      hold.setAttribute("aria-pressed", String(this.held));
      say(hold, this.held ? "Go on" : "Hold");
      this.draw();
    });
    find<HTMLInputElement>("only-refusals").addEventListener("change", () => this.draw(true));
    const list = find<HTMLOListElement>("lines");
    list.addEventListener("click", (event) => {
      const asset = (event.target as HTMLElement).closest<HTMLElement>("[data-asset]")?.dataset.asset;
      if (asset) this.pick(asset);
    });
  }

  show(lines: Line[]): void {
    this.lines = lines;
    this.draw();
    this.speak();
  }

  private draw(force = false): void {
    if (this.held && !force) return;
    const only = find<HTMLInputElement>("only-refusals").checked;
    const rows = gathered([...this.lines].reverse().filter((line) => !only || line.kind !== "permit").sort((a, b) => b.at_s - a.at_s)).slice(0, SHOWN);
    const key = `${only}${JSON.stringify(rows)}`;
    if (key === this.drawn) return;
    const list = find<HTMLOListElement>("lines");
    if (list.contains(document.activeElement)) return; // do not take a row away under somebody's fingers
    this.drawn = key;
    list.replaceChildren(...(rows.length ? rows.map((line) => this.row(line)) : [make("li", { class: "mute" }, only ? "Nothing was refused lately." : "Nothing decided yet.")]));
  }

  private row(line: Line): HTMLElement {
    const [sign, word] = KINDS[line.kind];
    const times = line.times > 1 ? make("span", { class: "times" }, `×${line.times}`) : null;
    const about = line.asset ? make("button", { type: "button", class: "link", "data-asset": line.asset, "aria-label": `Why ${line.asset}` }, "why?") : null;
    return make(
      "li",
      { class: `line ${line.kind}` },
      make("span", { class: "sign", "aria-hidden": "true" }, sign),
      make("div", {}, make("p", { class: "mute meta" }, make("time", {}, this.clock.full(line.at_s)), ` · ${this.titles.get(line.service) ?? (line.service || "all services")} · ${word} `, times, about ? " " : null, about), make("p", {}, line.text)),
    );
  }

  private speak(): void {
    const now = performance.now();
    if (this.held || now - this.spokenAt < SPEAK_EVERY_MS) return;
    const worth = [...this.lines].sort((a, b) => b.at_s - a.at_s).find((line) => line.kind !== "permit");
    if (!worth) return;
    const text = `${KINDS[worth.kind][1]}: ${worth.text}`;
    if (text === this.spoken) return;
    this.spoken = text;
    this.spokenAt = now;
    say(find("spoken"), text);
  }
}

/** Lines that differ in their figures alone are one line that happened often; the newest figures stand. */
function gathered(newestFirst: Line[]): Line[] {
  const kept = new Map<string, Line>();
  for (const line of newestFirst) {
    const key = `${line.service}|${line.asset}|${line.kind}|${line.text.replace(/[\d.,]+/g, "#")}`;
    const first = kept.get(key);
    if (first) kept.set(key, { ...first, times: first.times + line.times });
    else kept.set(key, line);
  }
  return [...kept.values()];
}
