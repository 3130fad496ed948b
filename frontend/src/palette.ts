// SPDX-License-Identifier: Apache-2.0
/** Colours that stay apart for every kind of colour vision: each ramp grows steadily in lightness. */
import type { Layer } from "./types";

export interface Theme {
  night: boolean;
  ground: string;
  land: string;
  area: string;
  casing: string;
  street: string;
  major: string;
  path: string;
  text: string;
  halo: string;
  outline: string;
  pick: string;
  unknown: string;
  over: string;
  car: string;
  heavy: string;
  soft: string;
}

export const NIGHT: Theme = {
  night: true,
  ground: "#070b16",
  land: "#0c1222",
  area: "#1a2440",
  casing: "#0a0f1c",
  street: "#263250",
  major: "#36456b",
  path: "#1b2540",
  text: "#b9c5e0",
  halo: "#0a0f1c",
  outline: "#070b16",
  pick: "#ffffff",
  unknown: "#4a5470",
  over: "#ff5f6d",
  car: "#8fd8ff",
  heavy: "#d9c8ff",
  soft: "#8df0c8",
};

export const DAY: Theme = {
  night: false,
  ground: "#dfe4ec",
  land: "#eef1f6",
  area: "#c9d2e2",
  casing: "#c3cbd9",
  street: "#ffffff",
  major: "#ffffff",
  path: "#d7dde8",
  text: "#39435a",
  halo: "#ffffff",
  outline: "#ffffff",
  pick: "#a1126a",
  unknown: "#9aa3b5",
  over: "#c4152f",
  car: "#1a5fb4",
  heavy: "#5b2a9d",
  soft: "#0c7a56",
};

const LAMP = ["#3a2457", "#7d2f6d", "#c9504f", "#f58b3c", "#ffc65a", "#fff4cf"];
const LAMP_DAY = ["#d9c58f", "#dfa53e", "#c97a16", "#9c4f0c", "#642a08", "#3a1504"];
const SEA = ["#27477a", "#1f6f96", "#1f9a9a", "#57c29a", "#b5e08a", "#f5f3a6"];
const SEA_DAY = ["#9ed0c0", "#55b1ab", "#2b8ca0", "#256793", "#27437d", "#231f55"];
const TWO = ["#4aa3ff", "#7fb8ea", "#c9d4e2", "#f0b27a", "#ff8a2b"];
const TWO_DAY = ["#0b5cad", "#5c93c4", "#8f98a8", "#cc7c33", "#a34700"];
const SIGNAL: Record<string, [string, string]> = {
  red: ["#f2555a", "#c21f30"],
  "red-amber": ["#ff9d4a", "#c9600c"],
  "red amber": ["#ff9d4a", "#c9600c"],
  amber: ["#ffd95e", "#a87800"],
  yellow: ["#ffd95e", "#a87800"],
  green: ["#4ff0b0", "#047a52"],
  dark: ["#4a5470", "#9aa3b5"],
  off: ["#4a5470", "#9aa3b5"],
  fault: ["#ff5f6d", "#c4152f"],
};
const CODES = ["#56b4e9", "#e69f00", "#2fc79b", "#f0e442", "#cc79a7", "#ff7f50", "#a3b1ff", "#d9d9d9"];
const CODES_DAY = ["#0072b2", "#a86b00", "#00785a", "#7a6f00", "#a0457a", "#b8450f", "#4a55c0", "#444444"];

export type Stop = [value: number, colour: string];

export interface Ramp {
  stops: Stop[];
  /** For coded layers: the name of each code. */
  names: string[] | null;
  /** Above this value the asset is over its rating, and shown in the theme's warning colour. */
  over: number | null;
}

/** The names of a coded layer stand in its own description: "0 red, 1 red-amber, 2 green, 3 yellow". */
export function codeNames(layer: Layer): string[] {
  const names: string[] = [];
  for (const found of layer.doc.matchAll(/\b(\d{1,2})[ =]+([a-z][a-z -]*?)(?=,|;|\.|\)|$| and | or )/g)) names[Number(found[1])] = (found[2] ?? "").trim();
  for (let code = 0; code <= Math.min(layer.high, 15); code++) names[code] ??= `${layer.words} ${code}`;
  return names;
}

export function ramp(layer: Layer, glow: boolean, theme: Theme): Ramp {
  if (layer.palette === "stage") {
    const names = codeNames(layer);
    const codes = theme.night ? CODES : CODES_DAY;
    const stops = names.map((name, code): Stop => [code, SIGNAL[name]?.[theme.night ? 0 : 1] ?? codes[code % codes.length]!]);
    return { stops, names, over: null };
  }
  const colours = layer.palette === "diverging" ? (theme.night ? TWO : TWO_DAY) : glow ? (theme.night ? LAMP : LAMP_DAY) : theme.night ? SEA : SEA_DAY;
  const rated = layer.quantity.includes("loading") && layer.low < 1 && layer.high > 1 ? 1 : null;
  const high = rated ?? layer.high;
  const stops = colours.map((colour, at): Stop => [layer.low + ((high - layer.low) * at) / (colours.length - 1), colour]);
  return { stops, names: null, over: rated };
}
