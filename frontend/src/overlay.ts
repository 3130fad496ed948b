// SPDX-License-Identifier: Apache-2.0
/** Street names and moving vehicles, drawn on a canvas above the map: no glyph server, and a dot has no number. */
import type { Map as MapLibreMap } from "maplibre-gl";
import type { City, Point } from "./city";
import type { Theme } from "./palette";
import type { Live } from "./types";

interface Label {
  text: string;
  at: Point;
  angle: number;
  size: number;
}

const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif";

export class Overlay {
  showMoving = true;
  private readonly pen: CanvasRenderingContext2D;
  private labels: Label[] = [];
  private moving: Live["moving"] = null;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly map: MapLibreMap,
    private readonly city: City,
    private theme: Theme,
  ) {
    this.pen = canvas.getContext("2d")!;
    map.on("render", () => this.draw());
    map.on("moveend", () => this.place());
    map.on("resize", () => this.place());
    this.place();
  }

  dress(theme: Theme): void {
    this.theme = theme;
    this.draw();
  }

  move(moving: Live["moving"]): void {
    this.moving = moving;
    this.draw();
  }

  /** Choose which names fit: along their street, no two closer than they are long, one per street and view part. */
  private place(): void {
    const zoom = this.map.getZoom();
    this.labels = [];
    if (zoom >= 13.2) {
      const view = this.map.getBounds();
      const taken: [number, number, number][] = [];
      const groups = this.city.named.filter((g) => g.east > view.getWest() && g.west < view.getEast() && g.north > view.getSouth() && g.south < view.getNorth());
      const weighed = groups.map((group) => ({ group, major: Math.max(...group.streets.map((one) => rank(this.city.highway(one)))) }));
      weighed.sort((a, b) => b.major - a.major || b.group.streets.length - a.group.streets.length);
      for (const { group, major } of weighed.slice(0, 160)) this.placeName(group.name, group.streets, major, zoom, taken);
    }
    this.draw();
  }

  private placeName(name: string, streets: number[], major: number, zoom: number, taken: [number, number, number][]): void {
    const size = Math.min(13.5, 9.5 + (zoom - 13) * 0.9 + major * 0.5);
    this.pen.font = `500 ${size}px ${FONT}`;
    const half = this.pen.measureText(name).width / 2 + 4;
    const { clientWidth: w, clientHeight: h } = this.canvas;
    const pieces: { a: { x: number; y: number }; b: { x: number; y: number }; length: number; at: Point }[] = [];
    for (const street of streets.slice(0, 400)) {
      const shape = this.city.shape(street);
      for (let i = 1; i < shape.length; i++) {
        const a = this.map.project(shape[i - 1]!);
        const b = this.map.project(shape[i]!);
        const at: Point = [(shape[i - 1]![0] + shape[i]![0]) / 2, (shape[i - 1]![1] + shape[i]![1]) / 2];
        pieces.push({ a, b, length: Math.hypot(b.x - a.x, b.y - a.y), at });
      }
    }
    pieces.sort((p, q) => q.length - p.length);
    let placed = 0;
    for (const piece of pieces.slice(0, 24)) {
      const x = (piece.a.x + piece.b.x) / 2;
      const y = (piece.a.y + piece.b.y) / 2;
      if (x < half || y < 20 || x > w - half || y > h - 20) continue;
      let angle = Math.atan2(piece.b.y - piece.a.y, piece.b.x - piece.a.x);
      if (Math.abs(angle) > Math.PI / 2) angle += angle > 0 ? -Math.PI : Math.PI;
      const dx = Math.cos(angle) * half;
      const dy = Math.sin(angle) * half;
      const on = (px: number, py: number): boolean => pieces.some((one) => distance(px, py, one.a, one.b) < 9);
      if (!on(x - dx, y - dy) || !on(x + dx, y + dy)) continue;
      const clear = [-1, -0.5, 0, 0.5, 1].every((t) => taken.every(([ox, oy, r]) => Math.hypot(x + dx * t - ox, y + dy * t - oy) > r));
      if (!clear) continue;
      for (const t of [-1, -0.5, 0, 0.5, 1]) taken.push([x + dx * t, y + dy * t, Math.max(18, half * 0.45)]);
      this.labels.push({ text: name, at: piece.at, angle, size });
      placed += 1;
      if (placed >= (w > 900 ? 2 : 1)) break;
    }
  }

  private draw(): void {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const { clientWidth: w, clientHeight: h } = this.canvas;
    if (this.canvas.width !== Math.round(w * ratio) || this.canvas.height !== Math.round(h * ratio)) {
      this.canvas.width = Math.round(w * ratio);
      this.canvas.height = Math.round(h * ratio);
    }
    const pen = this.pen;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, w, h);
    this.drawMoving(pen, w, h);
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.lineJoin = "round";
    for (const label of this.labels) {
      const at = this.map.project(label.at);
      pen.save();
      pen.translate(at.x, at.y);
      pen.rotate(label.angle);
      pen.font = `500 ${label.size}px ${FONT}`;
      pen.lineWidth = 3.5;
      pen.strokeStyle = this.theme.halo;
      pen.globalAlpha = 0.85;
      pen.strokeText(label.text, 0, 0);
      pen.globalAlpha = 1;
      pen.fillStyle = this.theme.text;
      pen.fillText(label.text, 0, 0);
      pen.restore();
    }
  }

  private drawMoving(pen: CanvasRenderingContext2D, w: number, h: number): void {
    if (!this.moving || !this.showMoving) return;
    const { lon, lat, kind } = this.moving;
    const size = Math.max(1, Math.min(4, 1 + (this.map.getZoom() - 13) * 0.5));
    const { car, heavy, soft } = this.theme;
    const looks: [string, number][] = [[car, 1], [heavy, 1.35], [soft, 0.75], [soft, 0.75], [heavy, 1.5]]; // car, bus, bicycle, on foot, tram
    for (let i = 0; i < lon.length; i++) {
      const at = this.map.project([lon[i]!, lat[i]!]);
      if (at.x < -4 || at.y < -4 || at.x > w + 4 || at.y > h + 4) continue;
      const [colour, times] = looks[kind[i]!] ?? looks[0]!;
      pen.fillStyle = colour;
      pen.beginPath();
      pen.arc(at.x, at.y, size * times, 0, 6.2832);
      pen.fill();
    }
  }
}

export function rank(highway: string): number {
  if (/motorway|trunk|primary/.test(highway)) return 3;
  if (/secondary/.test(highway)) return 2;
  if (/tertiary/.test(highway)) return 1;
  return 0;
}

function distance(x: number, y: number, a: { x: number; y: number }, b: { x: number; y: number }): number {
  const dx = b.x - a.x;
  const dy = b.y - a.y;
  const t = Math.max(0, Math.min(1, ((x - a.x) * dx + (y - a.y) * dy) / (dx * dx + dy * dy || 1)));
  return Math.hypot(x - a.x - dx * t, y - a.y - dy * t);
}
