// SPDX-License-Identifier: Apache-2.0
/** One card a service: which arm decides, one outcome with and without, the totals and what they differ by. */
import "uplot/dist/uPlot.min.css";
import uPlot from "uplot";
import { make, say } from "./dom";
import { capital, type Clock, number } from "./format";
import type { Outcome, Scene, Series, Service, ServiceState } from "./types";
import { ask } from "./wire";

const WITHOUT_DASH = [6, 4];
const PLOT_PX = 88;

export class Card {
  readonly element: HTMLElement;
  private readonly select: HTMLSelectElement;
  private readonly buttons: Record<"adaptive" | "baseline", HTMLButtonElement>;
  private readonly status: HTMLElement;
  private readonly withValue: HTMLElement;
  private readonly withoutValue: HTMLElement;
  private readonly gain: HTMLElement;
  private readonly holder: HTMLElement;
  private readonly caption: HTMLElement;
  private plot: uPlot | null = null;
  private series: Series[] = [];
  private chosen: string;

  constructor(
    private readonly service: Service,
    scene: Scene,
    private readonly clock: Clock,
    private readonly tell: (text: string) => void,
  ) {
    const usual = service.outcomes.find((one) => one.chart) ?? service.outcomes[0];
    this.chosen = usual?.name ?? "";
    this.select = make("select", { "aria-label": `Outcome of ${service.title}`, change: () => this.choose() });
    const sorted = [...service.outcomes].sort((a, b) => Number(b.chart) - Number(a.chart));
    for (const outcome of sorted) this.select.append(make("option", { value: outcome.name, selected: outcome.name === this.chosen }, label(outcome)));
    const button = (arm: "adaptive" | "baseline", text: string): HTMLButtonElement =>
      make("button", { type: "button", "aria-pressed": "false", click: () => this.arm(arm) }, text);
    this.buttons = { adaptive: button("adaptive", "lamplighter"), baseline: button("baseline", "own programme") };
    this.status = make("p", { class: "status mute" });
    this.withValue = make("output", { class: "big with" }, "–");
    this.withoutValue = make("output", { class: "big without" }, "–");
    this.gain = make("output", { class: "gain" });
    this.holder = make("div", { class: "plot", role: "img" });
    this.caption = make("p", { class: "caption mute" });
    void scene;
    this.element = make(
      "article",
      { class: "card", "aria-label": service.title },
      make("header", {}, make("h3", { title: service.doc }, service.title), make("div", { class: "switch room-only", role: "group", "aria-label": `Who decides: ${service.title}` }, this.buttons.adaptive, this.buttons.baseline)),
      make("div", { class: "outcome" }, this.select, this.gain),
      make("div", { class: "totals" }, make("div", {}, make("span", { class: "mute" }, "with"), this.withValue), make("div", {}, make("span", { class: "mute" }, "without"), this.withoutValue), this.caption),
      this.holder,
      this.status,
    );
    new ResizeObserver(() => this.resize()).observe(this.holder);
  }

  stand(state: ServiceState): void {
    for (const arm of ["adaptive", "baseline"] as const) this.buttons[arm].setAttribute("aria-pressed", String(state.arm === arm));
    this.element.dataset.arm = state.arm;
    const who = document.body.dataset.plane === "room" ? "" : state.arm === "adaptive" ? "lamplighter decides · " : "own programme · ";
    say(this.status, `${who}${number(state.in_force)} of ${number(state.assets)} under a lease · ${number(state.permits)} permitted · ${number(state.refusals)} refused`);
  }

  show(series: Series[]): void {
    this.series = series.filter((one) => one.service === this.service.name);
    this.draw();
  }

  dress(): void {
    this.plot?.destroy();
    this.plot = null;
    this.draw();
  }

  private choose(): void {
    this.chosen = this.select.value;
    this.plot?.destroy();
    this.plot = null;
    this.draw();
  }

  private arm(arm: "adaptive" | "baseline"): void {
    ask(`arm/${encodeURIComponent(this.service.name)}`, { arm })
      .then(() => this.tell(arm === "adaptive" ? `lamplighter decides for ${this.service.title}` : `${this.service.title}: every box runs its own programme`))
      .catch((fault: Error) => this.tell(fault.message));
  }

  private draw(): void {
    const outcome = this.service.outcomes.find((one) => one.name === this.chosen);
    const one = this.series.find((series) => series.outcome === this.chosen);
    if (!outcome) return;
    this.total(outcome, one);
    if (!one || one.time.length + one.baselineTime.length < 2) return;
    const data = uPlot.join([
      [Array.from(one.time), Array.from(one.adaptive)],
      [Array.from(one.baselineTime), Array.from(one.baseline)],
    ] as uPlot.AlignedData[]);
    if (data[0].length < 2) return; // one point is no line
    if (!this.plot) this.plot = new uPlot(this.options(outcome), data, this.holder);
    else this.plot.setData(data);
    const last = (values: Float32Array): string => number(values[values.length - 1]);
    this.holder.setAttribute("aria-label", `${label(outcome)} over time: latest with lamplighter ${last(one.adaptive)}, without ${last(one.baseline)} ${outcome.unit}`);
  }

  private total(outcome: Outcome, one: Series | undefined): void {
    const a = one?.cumulative_adaptive ?? null;
    const b = one?.cumulative_baseline ?? null;
    const unit = outcome.unit ? ` ${outcome.unit}` : "";
    say(this.withValue, number(a));
    say(this.withoutValue, number(b));
    const how = { sum: "total", mean: "mean", max: "highest", min: "lowest" }[outcome.combine];
    const ends = one ? [one.time.at(-1), one.baselineTime.at(-1)].filter((end) => end !== undefined) : [];
    const span = one?.time.length && ends.length ? ` ${this.clock.minutes(one.time[0]!)}–${this.clock.minutes(Math.min(...ends))}` : "";
    say(this.caption, `${how}${span}`);
    this.caption.title = outcome.doc;
    if (a === null || b === null || !Number.isFinite(a) || !Number.isFinite(b)) {
      say(this.gain, "");
      this.gain.className = "gain";
      return;
    }
    const less = a - b;
    const same = Math.abs(less) <= 1e-9 || (b !== 0 && Math.abs(less / b) < 0.0005);
    const good = same ? null : less < 0 === (outcome.better === "lower");
    const share = b !== 0 && outcome.combine !== "min" ? `${number(Math.abs((less / b) * 100))} %` : `${number(Math.abs(less))}${unit}`;
    say(this.gain, same ? "no difference" : `${good ? "✓" : "✗"} ${share} ${less < 0 ? "less" : "more"}`);
    this.gain.title = same ? "" : `${good ? "better" : "worse"} than without: ${outcome.doc}`;
    this.gain.setAttribute("aria-label", `${this.gain.textContent}${same ? "" : good ? ", better" : ", worse"}`);
    this.gain.className = `gain ${good === null ? "" : good ? "good" : "bad"}`;
  }

  private options(outcome: Outcome): uPlot.Options {
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string): string => style.getPropertyValue(name).trim();
    const axis = { stroke: colour("--mute"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    const hour = (_: uPlot, splits: number[]): string[] => splits.map((at) => this.clock.minutes(at));
    return {
      width: Math.max(120, this.holder.clientWidth),
      height: PLOT_PX,
      padding: [6, 18, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { size: 6 } },
      scales: { x: { time: true }, y: { range: (_, low, high) => reach(low, high) } },
      axes: [
        { ...axis, values: hour, space: 60, size: 20, grid: { show: false } },
        { ...axis, size: 46, space: 20, values: (_, splits) => splits.map((one) => number(one)), label: outcome.unit || outcome.words, labelSize: 14, labelGap: 0, labelFont: "11px system-ui, sans-serif" },
      ],
      series: [
        {},
        { label: "with lamplighter", stroke: colour("--with"), width: 2, spanGaps: true, points: { show: false } },
        { label: "without", stroke: colour("--without"), width: 1.6, dash: WITHOUT_DASH, spanGaps: true, points: { show: false } },
      ],
      hooks: { setCursor: [(plot) => this.read(plot, outcome)] },
    };
  }

  /** Under the pointer: the two values there, in the place of the caption. */
  private read(plot: uPlot, outcome: Outcome): void {
    const at = plot.cursor.idx;
    if (at === null || at === undefined) return;
    const unit = outcome.unit ? ` ${outcome.unit}` : "";
    const when = plot.data[0][at];
    if (when === undefined) return;
    say(this.caption, `${this.clock.minutes(when)}: with ${number(plot.data[1]?.[at])}, without ${number(plot.data[2]?.[at])}${unit}`);
  }

  private resize(): void {
    if (this.plot && this.holder.clientWidth > 0 && this.plot.width !== this.holder.clientWidth) this.plot.setSize({ width: this.holder.clientWidth, height: PLOT_PX });
  }
}

function label(outcome: Outcome): string {
  return capital(outcome.words) + (outcome.unit ? ` (${outcome.unit})` : "");
}

/** A range with a little air; flat lines get room, and what is near zero shows zero. */
function reach(low: number, high: number): [number, number] {
  if (!Number.isFinite(low) || !Number.isFinite(high)) return [0, 1];
  if (low >= 0 && low < high * 0.6) low = 0;
  const air = (high - low) * 0.08 || Math.abs(high) * 0.1 || 1;
  return [low === 0 ? 0 : low - air, high + air];
}
