// SPDX-License-Identifier: Apache-2.0
/** The live stream: binary messages of a JSON head and packed columns; it comes back by itself when it breaks. */
import type { AreaValues, Line, Live, Series, ServiceState } from "./types";

type Column = Float32Array | Float64Array | Uint32Array;
type Head = { part: string; arrays: [string, string, number, number][] } & Record<string, unknown>;

function unpack(buffer: ArrayBuffer): { head: Head; columns: Map<string, Column> } {
  const bytes = new DataView(buffer);
  if (bytes.getUint32(0, false) !== 0x4c414d50) throw new Error("a message that does not begin with LAMP");
  const length = bytes.getUint32(4, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length))) as Head;
  const columns = new Map<string, Column>();
  for (const [name, kind, at, count] of head.arrays) {
    const from = 8 + length + at;
    const column = kind === "f8" ? new Float64Array(buffer, from, count) : kind === "f4" ? new Float32Array(buffer, from, count) : new Uint32Array(buffer, from, count);
    columns.set(name, column);
  }
  return { head, columns };
}

function asLive(head: Head, columns: Map<string, Column>): Live {
  const layers = new Map<string, { asset: Uint32Array; value: Float32Array }>();
  for (const [name, column] of columns) {
    if (!name.startsWith("layer.") || !name.endsWith(".asset")) continue;
    const layer = name.slice(6, -6);
    layers.set(layer, { asset: column as Uint32Array, value: columns.get(`layer.${layer}.value`) as Float32Array });
  }
  const lon = columns.get("moving.lon_deg") as Float32Array | undefined;
  const lat = columns.get("moving.lat_deg") as Float32Array | undefined;
  const kind = columns.get("moving.kind") as Uint32Array | undefined;
  return {
    version: head.version as number,
    now_s: head.now_s as number,
    running: head.running as boolean,
    speed: head.speed as number,
    speed_reached: head.speed_reached as number,
    ended: head.ended as boolean,
    services: head.services as ServiceState[],
    faults: head.faults as string[],
    layers,
    moving: lon && lat ? { lon, lat, kind: kind ?? new Uint32Array(lon.length) } : null,
    areas: (head.areas as AreaValues[] | undefined) ?? null,
    window_end_s: (head.window_end_s as number | undefined) ?? null,
  };
}

function asSeries(head: Head, columns: Map<string, Column>): Series[] {
  return (head.series as Series[]).map((one, index) => ({
    ...one,
    time: columns.get(`${index}.time_s`) as Float64Array,
    adaptive: columns.get(`${index}.adaptive`) as Float32Array,
    baselineTime: columns.get(`${index}.baseline_time_s`) as Float64Array,
    baseline: columns.get(`${index}.baseline`) as Float32Array,
  }));
}

export interface Readers {
  live(live: Live): void;
  charts(series: Series[]): void;
  lines(lines: Line[]): void;
  lost(): void;
  back(): void;
}

export function listen(readers: Readers): void {
  let wait = 400;
  let wasLost = false;
  const open = (): void => {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
    socket.binaryType = "arraybuffer";
    socket.onmessage = (event: MessageEvent<ArrayBuffer>) => {
      if (wasLost) {
        wasLost = false;
        readers.back();
      }
      wait = 400;
      const { head, columns } = unpack(event.data);
      if (head.part === "live") readers.live(asLive(head, columns));
      else if (head.part === "charts") readers.charts(asSeries(head, columns));
      else if (head.part === "lines") readers.lines(head.lines as Line[]);
    };
    socket.onclose = () => {
      if (!wasLost) readers.lost();
      wasLost = true;
      setTimeout(open, wait);
      wait = Math.min(wait * 1.7, 5000);
    };
  };
  open();
}

/** Ask the city for something; returns the sentence the server answers with. Throws with the server's own words. */
export async function ask(what: string, data: unknown = {}): Promise<string> {
  const answer = await fetch(`/api/control/${what}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(data),
  });
  const said = (await answer.json()) as { done?: string; detail?: string };
  if (!answer.ok) throw new Error(said.detail ?? `the server answered ${answer.status}`);
  return said.done ?? "done";
}

/** Look at something of the operators' room. Throws with the server's own words, also where this is no place for operators. */
export async function look<T>(what: string): Promise<T> {
  const answer = await fetch(`/api/control/${what}`, { headers: { "Content-Type": "application/json" } });
  const said = (await answer.json()) as T & { detail?: string };
  if (!answer.ok) throw new Error(said.detail ?? `the server answered ${answer.status}`);
  return said;
}
