// SPDX-License-Identifier: Apache-2.0
/** The scene, made handy: names by street, places of assets, which layer shows which assets. */
import type { Layer, Scene, Service } from "./types";

export type Point = [lon: number, lat: number];

export interface Named {
  name: string;
  key: string;
  streets: number[];
  west: number;
  south: number;
  east: number;
  north: number;
}

export interface ShownLayer extends Layer {
  service: Service;
  /** Positions of the assets it may show. */
  assets: number[];
  /** Points that are many and small are drawn as lights; few are drawn as signs. */
  many: boolean;
}

const MICRO = 1e-6;
const MANY = 300;

export class City {
  readonly layers: ShownLayer[] = [];
  readonly named: Named[];
  readonly bounds: [Point, Point];
  private readonly streetOfId = new Map<string, number>();

  constructor(readonly scene: Scene) {
    const { streets, assets } = scene;
    streets.id.forEach((id, index) => this.streetOfId.set(id, index));
    const ofKind = new Map<string, number[]>();
    assets?.kind.codes.forEach((code, index) => {
      const kind = assets.kind.names[code] ?? "";
      const list = ofKind.get(kind);
      if (list) list.push(index);
      else ofKind.set(kind, [index]);
    });
    for (const service of scene.services)
      for (const layer of service.layers) {
        const list = ofKind.get(layer.of) ?? [];
        this.layers.push({ ...layer, service, assets: list, many: list.length > MANY });
      }
    this.named = this.group();
    this.bounds = this.extent();
  }

  layer(name: string): ShownLayer | undefined {
    return this.layers.find((layer) => layer.name === name);
  }

  shape(street: number): Point[] {
    const { offsets, lon, lat } = this.scene.streets;
    const points: Point[] = [];
    for (let at = offsets[street]!; at < offsets[street + 1]!; at++) points.push([lon[at]! * MICRO, lat[at]! * MICRO]);
    return points;
  }

  streetKind(street: number): string {
    const { kind } = this.scene.streets;
    return kind.names[kind.codes[street]!] ?? "";
  }

  highway(street: number): string {
    const { highway } = this.scene.streets;
    return highway.names[highway.codes[street]!] ?? "";
  }

  place(asset: number): Point {
    const { lon, lat } = this.scene.assets!;
    return [lon[asset]! * MICRO, lat[asset]! * MICRO];
  }

  id(asset: number): string {
    return this.scene.assets?.id[asset] ?? "";
  }

  position(id: string): number {
    return this.scene.assets?.id.indexOf(id) ?? -1;
  }

  area(asset: number): string {
    const { area } = this.scene.assets!;
    return area.names[area.codes[asset]!] ?? "";
  }

  kind(asset: number): string {
    const { kind } = this.scene.assets!;
    return kind.names[kind.codes[asset]!] ?? "";
  }

  /** The position of the street an asset stands in, or null. */
  streetOf(asset: number): number | null {
    const { street } = this.scene.assets!;
    return this.streetOfId.get(street.names[street.codes[asset]!] ?? "") ?? null;
  }

  /** The name on the street sign; nothing for inner edges of the road network, whose ids mean nothing to people. */
  streetName(asset: number): string {
    const { street } = this.scene.assets!;
    const text = street.names[street.codes[asset]!] ?? "";
    return this.signOf(text);
  }

  signOf(text: string): string {
    const found = this.streetOfId.get(text);
    if (found === undefined) return /^[:\-#\d_]|_[cw]?\d+$/.test(text) ? "" : text;
    const { name } = this.scene.streets;
    return name.names[name.codes[found]!] ?? "";
  }

  private group(): Named[] {
    const { name } = this.scene.streets;
    const groups = new Map<number, Named>();
    name.codes.forEach((code, index) => {
      const text = name.names[code] ?? "";
      if (!text) return;
      let group = groups.get(code);
      if (!group) {
        group = { name: text, key: fold(text), streets: [], west: 180, south: 90, east: -180, north: -90 };
        groups.set(code, group);
      }
      group.streets.push(index);
      for (const [lon, lat] of this.shape(index)) {
        group.west = Math.min(group.west, lon);
        group.east = Math.max(group.east, lon);
        group.south = Math.min(group.south, lat);
        group.north = Math.max(group.north, lat);
      }
    });
    return [...groups.values()].sort((a, b) => a.name.localeCompare(b.name, "de"));
  }

  private extent(): [Point, Point] {
    const { lon, lat } = this.scene.streets;
    let west = Infinity;
    let east = -Infinity;
    let south = Infinity;
    let north = -Infinity;
    for (let at = 0; at < lon.length; at++) {
      west = Math.min(west, lon[at]!);
      east = Math.max(east, lon[at]!);
      south = Math.min(south, lat[at]!);
      north = Math.max(north, lat[at]!);
    }
    return [
      [west * MICRO, south * MICRO],
      [east * MICRO, north * MICRO],
    ];
  }
}

/** Letters as people type them: without marks, ß as ss. */
export function fold(text: string): string {
  return text
    .toLowerCase()
    .replaceAll("ß", "ss")
    .normalize("NFD")
    .replace(/\p{M}/gu, "");
}

/** The convex hull of points (Andrew's monotone chain), pushed outwards a little. */
export function hull(points: Point[], grow = 1.03): Point[] {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  if (sorted.length < 3) return sorted;
  const cross = (o: Point, a: Point, b: Point): number => (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0]);
  const half = (list: Point[]): Point[] => {
    const out: Point[] = [];
    for (const point of list) {
      while (out.length >= 2 && cross(out[out.length - 2]!, out[out.length - 1]!, point) <= 0) out.pop();
      out.push(point);
    }
    out.pop();
    return out;
  };
  const ring = [...half(sorted), ...half(sorted.reverse())];
  const x = ring.reduce((sum, one) => sum + one[0], 0) / ring.length;
  const y = ring.reduce((sum, one) => sum + one[1], 0) / ring.length;
  const out = ring.map(([lon, lat]): Point => [x + (lon - x) * grow, y + (lat - y) * grow]);
  return [...out, out[0]!];
}
