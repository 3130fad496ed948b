// SPDX-License-Identifier: Apache-2.0
/** The map: the city's own streets as ground, its assets by value above them. Nothing comes from elsewhere. */
import "maplibre-gl/dist/maplibre-gl.css";
import {
  type ExpressionSpecification,
  type GeoJSONSource,
  type LayerSpecification,
  Map as MapLibreMap,
  type MapMouseEvent,
  NavigationControl,
  ScaleControl,
  setWorkerUrl,
} from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";
import { type City, hull, type Point, type ShownLayer } from "./city";
import { Overlay, rank } from "./overlay";
import { type Ramp, ramp, type Theme } from "./palette";
import type { AreaValues, Live } from "./types";

type Features = GeoJSON.FeatureCollection;

const STREET_CLASSES = ["path", "street", "major"] as const;
const WIDTH_M = { path: 2.2, street: 7, major: 12 };

export interface MapEvents {
  pick(asset: number): void;
  hover(asset: number | null, layer: string, x: number, y: number): void;
}

export class CityMap {
  readonly map: MapLibreMap;
  readonly ready: Promise<void>;
  private overlay: Overlay | null = null;
  private readonly values = new Map<string, Float32Array>();
  private waiting: Live | null = null;
  private hovering = 0;
  private drawing = false;

  constructor(
    container: HTMLElement,
    private readonly canvas: HTMLCanvasElement,
    private readonly city: City,
    private theme: Theme,
    private readonly events: MapEvents,
  ) {
    setWorkerUrl(new URL(workerUrl, location.href).href);
    this.map = new MapLibreMap({
      container,
      style: { version: 8, sources: {}, layers: [{ id: "ground", type: "background", paint: { "background-color": theme.ground } }] },
      bounds: city.bounds,
      fitBoundsOptions: { padding: this.padding() },
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      fadeDuration: 0,
      maxZoom: 20,
      minZoom: 9,
      canvasContextAttributes: { antialias: false }, // MapLibre smooths lines and circles by itself
    });
    this.map.touchZoomRotate.disableRotation();
    this.map.keyboard.disableRotation();
    this.map.getCanvas().setAttribute("aria-label", "Map. Arrow keys move it, plus and minus zoom. The table lists the same.");
    this.map.addControl(new NavigationControl({ showCompass: false }), "bottom-right");
    this.map.addControl(new ScaleControl({ maxWidth: 90 }), "bottom-right");
    this.ready = new Promise((resolve) => {
      this.map.once("load", () => {
        this.build();
        this.overlay = new Overlay(this.canvas, this.map, this.city, this.theme);
        if (this.waiting) this.show(this.waiting);
        const drawn = (): void => {
          if (!this.map.areTilesLoaded()) return;
          this.map.off("render", drawn);
          resolve();
        };
        this.map.on("render", drawn);
        setTimeout(resolve, 6000);
      });
    });
    this.map.on("click", (event) => this.click(event));
    this.map.on("mousemove", (event) => this.hover(event));
    this.map.on("mouseout", () => this.events.hover(null, "", 0, 0));
  }

  private padding(): { top: number; bottom: number; left: number; right: number } {
    return innerWidth < 760 ? { top: 54, bottom: 16, left: 12, right: 12 } : { top: 60, bottom: 26, left: 160, right: 24 };
  }

  private build(): void {
    const { map, city, theme } = this;
    map.addSource("land", { type: "geojson", data: this.land() });
    map.addSource("areas", { type: "geojson", data: this.areas() });
    map.addLayer({ id: "land", type: "fill", source: "land", paint: { "fill-color": theme.land, "fill-antialias": true } });
    map.addLayer({ id: "shore", type: "line", source: "land", paint: { "line-color": theme.land, "line-width": 60, "line-blur": 60 } });
    map.addLayer({ id: "areas", type: "fill", source: "areas", paint: { "fill-color": theme.area, "fill-opacity": 0 } });
    for (const kind of STREET_CLASSES) map.addSource(`street-${kind}`, { type: "geojson", data: this.streets(kind), tolerance: 0.3 });
    for (const kind of STREET_CLASSES) if (kind !== "path") map.addLayer(this.line(`casing-${kind}`, `street-${kind}`, theme.casing, WIDTH_M[kind] + 3, 1.2));
    for (const kind of STREET_CLASSES) map.addLayer(this.line(`street-${kind}`, `street-${kind}`, theme[kind], WIDTH_M[kind], kind === "path" ? 0.4 : kind === "major" ? 1.1 : 0.6));
    map.addSource("found", { type: "geojson", data: nothing() });
    map.addLayer(this.line("found-glow", "found", theme.pick, 26, 9, 0.22));
    map.addLayer(this.line("found", "found", theme.pick, 5, 2, 0.9));
    const order = { line: 0, street: 1, point: 2 };
    const sorted = [...city.layers].sort((a, b) => order[a.geometry] - order[b.geometry] || b.assets.length - a.assets.length);
    for (const layer of sorted) if (layer.assets.length) this.addLayer(layer);
    map.addSource("picked", { type: "geojson", data: nothing() });
    map.addLayer({
      id: "picked",
      type: "circle",
      source: "picked",
      paint: { "circle-radius": 11, "circle-color": "rgba(0,0,0,0)", "circle-stroke-color": theme.pick, "circle-stroke-width": 2.5 },
    });
  }

  private line(id: string, source: string, colour: string, metres: number, least: number, opacity = 1): LayerSpecification {
    return {
      id,
      type: "line",
      source,
      layout: { "line-cap": "round", "line-join": "round" },
      paint: { "line-color": colour, "line-opacity": opacity, "line-width": this.width(metres, least) },
    };
  }

  /** A width in metres on the ground, but never thinner than some pixels. */
  private width(metres: number, least: number): ExpressionSpecification {
    const lat = (this.city.bounds[0][1] + this.city.bounds[1][1]) / 2;
    const pixels = (zoom: number): number => (metres * 512 * 2 ** zoom) / (40075016 * Math.cos((lat * Math.PI) / 180));
    const stops: (number | ExpressionSpecification)[] = [];
    for (const zoom of [11, 13, 14, 15, 16, 18, 20]) stops.push(zoom, Math.max(pixels(zoom), least * Math.min(1.6, 0.7 + (zoom - 11) * 0.15)));
    return ["interpolate", ["exponential", 1.7], ["zoom"], ...stops] as unknown as ExpressionSpecification;
  }

  private land(): Features {
    const every: Point[] = [];
    const { lon, lat } = this.city.scene.streets;
    for (let at = 0; at < lon.length; at++) every.push([lon[at]! * 1e-6, lat[at]! * 1e-6]);
    return collection([{ type: "Feature", properties: {}, geometry: { type: "Polygon", coordinates: [hull(every, 1.05)] } }]);
  }

  private areas(): Features {
    const { area } = this.city.scene.streets;
    const points: Point[][] = area.names.map(() => []);
    area.codes.forEach((code, street) => points[code]!.push(...this.city.shape(street)));
    const rings = area.names.map((name, code) => ({ name, code, ring: hull(points[code]!, 1) })).filter((one) => one.name && one.ring.length > 3);
    return collection(rings.map(({ name, code, ring }) => ({ type: "Feature", id: code, properties: { name }, geometry: { type: "Polygon", coordinates: [ring] } })));
  }

  private streets(kind: (typeof STREET_CLASSES)[number]): Features {
    const lines: Point[][] = [];
    for (let street = 0; street < this.city.scene.streets.id.length; street++) {
      const motor = this.city.streetKind(street) === "motor";
      const is = !motor ? "path" : rank(this.city.highway(street)) >= 1 ? "major" : "street";
      if (is === kind) lines.push(this.city.shape(street));
    }
    return collection([{ type: "Feature", properties: {}, geometry: { type: "MultiLineString", coordinates: lines } }]);
  }

  private addLayer(layer: ShownLayer): void {
    const { map } = this;
    const source = `values-${layer.name}`;
    map.addSource(source, { type: "geojson", data: this.features(layer), tolerance: 0.2 });
    for (const specification of this.paint(layer)) map.addLayer(specification);
  }

  private features(layer: ShownLayer): Features {
    if (layer.geometry === "line") {
      const { asset, lon1_deg, lat1_deg, lon2_deg, lat2_deg } = layer.service.lines;
      const mine = new Set(layer.assets);
      const features: GeoJSON.Feature[] = [];
      asset?.forEach((position, at) => {
        if (!mine.has(position)) return;
        const ends: Point[] = [
          [lon1_deg![at]! * 1e-6, lat1_deg![at]! * 1e-6],
          [lon2_deg![at]! * 1e-6, lat2_deg![at]! * 1e-6],
        ];
        features.push({ type: "Feature", id: position, properties: {}, geometry: { type: "LineString", coordinates: ends } });
      });
      return collection(features);
    }
    if (layer.geometry === "street") {
      const features: GeoJSON.Feature[] = [];
      for (const position of layer.assets) {
        const street = this.city.streetOf(position);
        if (street !== null) features.push({ type: "Feature", id: position, properties: {}, geometry: { type: "LineString", coordinates: this.city.shape(street) } });
      }
      return collection(features);
    }
    return collection(layer.assets.map((position) => ({ type: "Feature", id: position, properties: {}, geometry: { type: "Point", coordinates: this.city.place(position) } })));
  }

  private paint(layer: ShownLayer): LayerSpecification[] {
    const { theme } = this;
    const source = `values-${layer.name}`;
    const shades = ramp(layer, layer.geometry === "point" && layer.many, theme);
    const colour = colourOf(shades, theme);
    const value: ExpressionSpecification = ["coalesce", ["feature-state", "v"], layer.low];
    if (layer.geometry !== "point") {
      const thick: ExpressionSpecification =
        shades.over === null ? ["literal", 1] as unknown as ExpressionSpecification : ["case", [">", value, shades.over], 1.9, 1];
      const width = (base: number): ExpressionSpecification =>
        ["interpolate", ["linear"], ["zoom"], 12, ["*", base * 0.8, thick], 15, ["*", base * 1.7, thick], 18, ["*", base * 4, thick]] as unknown as ExpressionSpecification;
      const round = { "line-cap": "round", "line-join": "round" } as const;
      return [
        { id: `${source}-under`, type: "line", source, layout: round, paint: { "line-color": theme.outline, "line-width": width(2.4), "line-opacity": 0.65 } },
        { id: source, type: "line", source, layout: round, paint: { "line-color": colour, "line-width": width(1.15), "line-opacity": 0.9 } },
      ];
    }
    if (layer.palette === "stage") {
      const lit: ExpressionSpecification = ["case", [">=", value, 2], 1.25, 1];
      return [
        {
          id: source,
          type: "circle",
          source,
          paint: {
            "circle-color": colour,
            "circle-radius": ["interpolate", ["linear"], ["zoom"], 12, ["*", 1.6, lit], 15, ["*", 3.4, lit], 18, ["*", 6.5, lit]],
            "circle-stroke-color": theme.outline,
            "circle-stroke-width": ["interpolate", ["linear"], ["zoom"], 12, 0.5, 16, 1.4],
          },
        },
      ];
    }
    if (layer.many) {
      const share: ExpressionSpecification = ["max", 0, ["min", 1, ["/", ["-", value, layer.low], layer.high - layer.low]]];
      const halo: LayerSpecification = {
        id: `${source}-glow`,
        type: "circle",
        source,
        minzoom: 12.5,
        paint: {
          "circle-color": colour,
          "circle-blur": 1,
          "circle-opacity": ["*", share, theme.night ? 0.34 : 0.16],
          "circle-radius": ["interpolate", ["exponential", 1.6], ["zoom"], 12, 3, 14, 8, 16, 20, 18, 44],
        },
      };
      const lamp: LayerSpecification = {
        id: source,
        type: "circle",
        source,
        paint: { "circle-color": colour, "circle-radius": ["interpolate", ["linear"], ["zoom"], 12, 0.8, 14, 1.5, 16, 2.8, 18, 5] },
      };
      return [halo, lamp];
    }
    this.sign(layer.palette === "diverging");
    return [
      {
        id: source,
        type: "symbol",
        source,
        layout: {
          "icon-image": layer.palette === "diverging" ? "ring" : "diamond",
          "icon-allow-overlap": true,
          "icon-ignore-placement": true,
          "icon-size": ["interpolate", ["linear"], ["zoom"], 12, 0.34, 14, 0.55, 18, 1.1],
        },
        paint: { "icon-color": colour, "icon-halo-color": theme.outline, "icon-halo-width": 1.5 },
      },
    ];
  }

  /** Signs are drawn here as distance fields, so that MapLibre can colour them by value. */
  private sign(ring: boolean): void {
    const name = ring ? "ring" : "diamond";
    if (this.map.hasImage(name)) return;
    const side = 48;
    const data = new Uint8ClampedArray(side * side * 4);
    for (let y = 0; y < side; y++)
      for (let x = 0; x < side; x++) {
        const dx = x - side / 2 + 0.5;
        const dy = y - side / 2 + 0.5;
        const inside = ring ? 4.5 - Math.abs(Math.hypot(dx, dy) - 11) : (15 - Math.abs(dx) - Math.abs(dy)) * 0.7071;
        data[(y * side + x) * 4 + 3] = Math.max(0, Math.min(255, 191 + inside * 8));
      }
    this.map.addImage(name, { width: side, height: side, data }, { sdf: true, pixelRatio: 1.6 });
  }

  /** Show the newest values; where drawing is slow (no graphics card) the map rests longer than it drew. */
  show(live: Live): void {
    this.waiting = live;
    if (!this.overlay || this.drawing) return;
    this.drawing = true;
    const from = performance.now();
    const again = (): void => {
      const cost = performance.now() - from;
      setTimeout(() => {
        this.drawing = false;
        if (this.waiting && this.waiting !== live) this.show(this.waiting);
      }, cost > 60 ? Math.min(2 * cost, 3000) : 0);
    };
    this.map.once("render", again);
    this.map.triggerRepaint();
    this.apply(live);
  }

  private apply(live: Live): void {
    if (!this.overlay) return;
    this.overlay.move(live.moving);
    for (const [name, { asset, value }] of live.layers) {
      const source = `values-${name}`;
      if (!this.map.getSource(source) || this.map.getLayoutProperty(source, "visibility") === "none") continue;
      let before = this.values.get(name);
      if (!before) {
        before = new Float32Array(this.city.scene.assets!.id.length).fill(Number.NaN);
        this.values.set(name, before);
      }
      for (let at = 0; at < asset.length; at++) {
        const position = asset[at]!;
        const now = value[at]!;
        if (before[position] === now || Number.isNaN(now)) continue;
        before[position] = now;
        this.map.setFeatureState({ source, id: position }, { v: now });
      }
    }
    if (live.areas) this.showAreas(live.areas);
  }

  private showAreas(areas: AreaValues[]): void {
    const first = areas[0];
    const layer = first && this.city.layer(first.layer);
    if (!first || !layer) return;
    const names = this.city.scene.streets.area.names;
    first.area.forEach((name, at) => {
      const id = names.indexOf(name);
      if (id >= 0) this.map.setFeatureState({ source: "areas", id }, { v: first.mean[at] });
    });
    this.map.setPaintProperty("areas", "fill-color", colourOf(ramp(layer, layer.many, this.theme), this.theme));
    this.map.setPaintProperty("areas", "fill-opacity", 0.5);
  }

  /** Show or hide a layer; a layer that comes back catches up with the next message. */
  visible(name: string, on: boolean): void {
    for (const id of [`values-${name}`, `values-${name}-under`, `values-${name}-glow`]) if (this.map.getLayer(id)) this.map.setLayoutProperty(id, "visibility", on ? "visible" : "none");
  }

  vehicles(on: boolean): void {
    if (this.overlay) {
      this.overlay.showMoving = on;
      this.map.triggerRepaint();
    }
  }

  mark(streets: number[]): void {
    (this.map.getSource("found") as GeoJSONSource | undefined)?.setData(
      collection([{ type: "Feature", properties: {}, geometry: { type: "MultiLineString", coordinates: streets.map((one) => this.city.shape(one)) } }]),
    );
  }

  flyTo(west: number, south: number, east: number, north: number): void {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.map.fitBounds([west, south, east, north], { padding: 90, maxZoom: 16.5, animate: !calm, duration: 900 });
  }

  pick(asset: number | null): void {
    const source = this.map.getSource("picked") as GeoJSONSource | undefined;
    source?.setData(asset === null ? nothing() : collection([{ type: "Feature", properties: {}, geometry: { type: "Point", coordinates: this.city.place(asset) } }]));
    if (asset !== null) {
      const place = this.city.place(asset);
      const at = this.map.project(place);
      const { clientWidth: w, clientHeight: h } = this.canvas;
      const covered = innerWidth >= 760 && at.x > w - 370; // the panel that opens stands there
      if (covered || at.x < 0 || at.y < 0 || at.x > w || at.y > h)
        this.map.easeTo({ center: place, offset: [covered ? -170 : 0, 0], animate: !matchMedia("(prefers-reduced-motion: reduce)").matches });
    }
  }

  dress(theme: Theme): void {
    this.theme = theme;
    const set = (id: string, name: string, value: unknown): void => {
      if (this.map.getLayer(id)) this.map.setPaintProperty(id, name as never, value as never);
    };
    set("ground", "background-color", theme.ground);
    set("land", "fill-color", theme.land);
    set("shore", "line-color", theme.land);
    set("areas", "fill-color", theme.area);
    for (const kind of STREET_CLASSES) {
      set(`casing-${kind}`, "line-color", theme.casing);
      set(`street-${kind}`, "line-color", theme[kind]);
    }
    set("found", "line-color", theme.pick);
    set("found-glow", "line-color", theme.pick);
    set("picked", "circle-stroke-color", theme.pick);
    for (const layer of this.city.layers)
      for (const specification of this.paint(layer))
        for (const [name, value] of Object.entries(specification.paint ?? {})) set(specification.id, name, value);
    this.overlay?.dress(theme);
  }

  private near(event: MapMouseEvent, reach: number): { asset: number; layer: string } | null {
    const layers = this.city.layers.map((layer) => `values-${layer.name}`).filter((id) => this.map.getLayer(id));
    const { x, y } = event.point;
    const found = this.map.queryRenderedFeatures([[x - reach, y - reach], [x + reach, y + reach]], { layers });
    let best: { asset: number; layer: string } | null = null;
    let least = Infinity;
    for (const one of found) {
      const asset = Number(one.id);
      const at = this.map.project(this.city.place(asset));
      const far = one.geometry.type === "Point" ? Math.hypot(at.x - x, at.y - y) : reach * 0.9;
      if (far < least) {
        least = far;
        best = { asset, layer: one.layer.id.slice("values-".length) };
      }
    }
    return best;
  }

  private click(event: MapMouseEvent): void {
    const found = this.near(event, 10);
    if (found) this.events.pick(found.asset);
  }

  private hover(event: MapMouseEvent): void {
    if (performance.now() - this.hovering < 70) return;
    this.hovering = performance.now();
    const found = this.near(event, 5);
    this.map.getCanvas().style.cursor = found ? "pointer" : "";
    this.events.hover(found?.asset ?? null, found?.layer ?? "", event.point.x, event.point.y);
  }
}

function colourOf(shades: Ramp, theme: Theme): ExpressionSpecification {
  const value: ExpressionSpecification = ["feature-state", "v"];
  const known: ExpressionSpecification = shades.names
    ? (["match", ["round", value], ...shades.stops.flatMap(([code, colour]) => [code, colour]), theme.unknown] as unknown as ExpressionSpecification)
    : (["interpolate", ["linear"], value, ...shades.stops.flat()] as unknown as ExpressionSpecification);
  const all: ExpressionSpecification = shades.over === null ? known : ["case", [">", value, shades.over], theme.over, known];
  return ["case", ["==", value, null], theme.unknown, all];
}

function collection(features: GeoJSON.Feature[]): Features {
  return { type: "FeatureCollection", features };
}

function nothing(): Features {
  return collection([]);
}
