// SPDX-License-Identifier: Apache-2.0
/** Numbers, times and units as people read them. */

export function number(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const places = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size === 0 ? 0 : 3;
  return value.toLocaleString("en-GB", { minimumFractionDigits: 0, maximumFractionDigits: places });
}

/** A value with its unit; shares and ratios read best in per cent. */
export function withUnit(value: number | null | undefined, unit: string, quantity = ""): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "not known";
  if (isShare(unit, quantity)) return `${Math.round(value * 100)} %`;
  const shown = unit === "1" ? "" : unit;
  return shown ? `${number(value)} ${shown}` : number(value);
}

export function isShare(unit: string, quantity: string): boolean {
  return unit === "share" || unit === "ratio" || /dimming_level$|loading$/.test(quantity);
}

export function shownUnit(unit: string, quantity: string): string {
  return isShare(unit, quantity) ? "%" : unit === "1" ? "" : unit;
}

export class Clock {
  private readonly time: Intl.DateTimeFormat;
  private readonly short: Intl.DateTimeFormat;
  private readonly day: Intl.DateTimeFormat;
  private readonly stamp: Intl.DateTimeFormat;

  constructor(zone: string) {
    const options = { timeZone: zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
    this.time = new Intl.DateTimeFormat("en-GB", { ...options, second: "2-digit" });
    this.short = new Intl.DateTimeFormat("en-GB", options);
    this.stamp = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "short" });
    this.day = new Intl.DateTimeFormat("en-GB", { timeZone: zone, weekday: "short", day: "numeric", month: "short", year: "numeric" });
  }

  full(at: number): string {
    return this.time.format(at * 1000);
  }

  minutes(at: number): string {
    return this.short.format(at * 1000);
  }

  date(at: number): string {
    return this.day.format(at * 1000);
  }

  /** Day and time as the fields of a form hold them: 2026-01-13 and 17:42. */
  moment(at: number): [day: string, time: string] {
    const [day = "", time = ""] = this.stamp.format(at * 1000).split(" ");
    return [day, time];
  }
}

export function age(seconds: number): string {
  if (seconds < 1) return "now";
  if (seconds < 90) return `${Math.round(seconds)} s old`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min old`;
  return `${number(seconds / 3600)} h old`;
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const SYMBOLS: Record<string, string> = { p: "power", q: "reactive power", u: "voltage", i: "amperage" };

/** A quantity without the unit that ends its name: `p_max_kw` reads "power max". */
export function quantityWords(name: string, unit: string): string {
  const parts = name.split("_");
  const ending = unit.toLowerCase().replaceAll(".", "");
  if (parts.length > 1 && (parts.at(-1) === ending || (unit === "1" && /^(share|ratio|pu)$/.test(parts.at(-1)!)))) parts.pop();
  return parts.map((part) => SYMBOLS[part] ?? part).join(" ");
}

/** Kinds and names as words: `signal_group` reads "signal group". */
export function words(name: string): string {
  return name.replaceAll("_", " ");
}
