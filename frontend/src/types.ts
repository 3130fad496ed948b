// SPDX-License-Identifier: Apache-2.0
/** What the server sends. Places come in millionths of a degree, texts as codes into a list of names. */

export interface Coded {
  names: string[];
  codes: number[];
}

export interface Streets {
  id: string[];
  name: Coded;
  kind: Coded;
  highway: Coded;
  area: Coded;
  width_dm: number[];
  offsets: number[];
  lon: number[];
  lat: number[];
}

export interface Assets {
  id: string[];
  kind: Coded;
  service: Coded;
  area: Coded;
  street: Coded;
  lon: number[];
  lat: number[];
}

export interface Layer {
  name: string;
  of: string;
  geometry: "point" | "street" | "line";
  quantity: string;
  low: number;
  high: number;
  palette: "sequential" | "diverging" | "stage";
  doc: string;
  words: string;
  unit: string;
}

export interface Outcome {
  name: string;
  combine: "sum" | "mean" | "max" | "min";
  better: "lower" | "higher";
  doc: string;
  measurable: boolean;
  chart: boolean;
  words: string;
  unit: string;
}

export interface Lines {
  asset?: number[];
  lon1_deg?: number[];
  lat1_deg?: number[];
  lon2_deg?: number[];
  lat2_deg?: number[];
}

export interface Service {
  name: string;
  title: string;
  doc: string;
  layers: Layer[];
  outcomes: Outcome[];
  lines: Lines;
  inquiry: Inquiry | null;
}

export interface Scene {
  name: string;
  title: string;
  simulated: boolean;
  note: string;
  attribution: string[];
  timezone: string;
  seed: number;
  begin_s: number;
  areas: string[];
  streets: Streets;
  assets: Assets | null;
  services: Service[];
}

export interface ServiceState {
  name: string;
  arm: "adaptive" | "baseline";
  assets: number;
  in_force: number;
  permits: number;
  refusals: number;
  admitted: number;
  rejected: number;
  last_tick_s: number;
}

export interface AreaValues {
  layer: string;
  area: string[];
  mean: (number | null)[];
  assets: number[];
}

export interface LayerValues {
  asset: Uint32Array;
  value: Float32Array;
}

export interface Live {
  version: number;
  now_s: number;
  running: boolean;
  speed: number;
  speed_reached: number;
  ended: boolean;
  services: ServiceState[];
  faults: string[];
  layers: Map<string, LayerValues>;
  moving: { lon: Float32Array; lat: Float32Array; kind: Uint32Array } | null;
  areas: AreaValues[] | null;
  window_end_s: number | null;
}

export interface Series {
  service: string;
  outcome: string;
  cumulative_adaptive: number | null;
  cumulative_baseline: number | null;
  time: Float64Array;
  adaptive: Float32Array;
  baselineTime: Float64Array;
  baseline: Float32Array;
}

export interface Line {
  at_s: number;
  service: string;
  asset: string;
  kind: "permit" | "refusal" | "hand_back" | "operator" | "fault";
  text: string;
  times: number;
}

export interface Why {
  asset: string;
  kind: string;
  service: string;
  street: string;
  area: string;
  fed_by: string;
  sentences: string[];
  values: { quantity: string; value: number; unit: string; age_s: number }[];
  box: string;
}

/** A question that anybody may put about a box. */
export interface Inquiry {
  title: string;
  doc: string;
}

export interface Letter {
  paragraph: string;
  verdict: string;
  parts: string[];
}

export interface Box {
  asset: string;
  service: string;
  street: string;
  area: string;
}

export interface Desk {
  boxes: Box[];
  reasons: string[];
  requests: { service: string; action: string; title: string }[];
  watched: { service: string; title: string; doc: string }[];
}

export interface Offer {
  service: string;
  asset: string;
  action: string;
  title: string;
  doc: string;
  durations_s: number[];
  choices: { words: string; values: Record<string, number> }[];
}

export interface Wish {
  number: number;
  service: string;
  action: string;
  reason: string;
  until_s: number;
  ended: boolean;
  boxes: { asset: string; state: string; text: string }[];
}

export interface Found {
  service: string;
  asset: string;
  begin_s: number;
  end_s: number;
  text: string;
}
