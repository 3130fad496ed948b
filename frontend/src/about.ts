// SPDX-License-Identifier: Apache-2.0
/** For residents: what this is, what is measured, what is not, and whom to thank. */
import { find, make } from "./dom";
import type { Scene } from "./types";

export function about(scene: Scene): void {
  const dialog = find<HTMLDialogElement>("about");
  const item = (strong: string, text: string): HTMLElement => make("li", {}, make("strong", {}, strong), ` ${text}`);
  dialog.replaceChildren(
    make("header", {}, make("h2", { id: "about-title" }, "About this page"), make("button", { type: "button", class: "round small", "aria-label": "Close", click: () => dialog.close() }, "×")),
    make("p", { class: "lead" }, "lamplighter chooses when lights turn green, how bright street lamps shine and how fast cars may charge, for a whole district at once. This page shows what it does, why, and whether people gain by it."),
    make("p", {}, make("strong", {}, scene.simulated ? "SIMULATED. " : ""), scene.simulated ? `${scene.title} on this page is a computer model: its streets are real, its traffic, lamps and cables are simulated from seed ${scene.seed}. No one and nothing here was observed.` : scene.note),
    make("h3", {}, "What is measured"),
    make("ul", {}, item("Counts and sums:", "how many vehicles wait at a light, how many pass in a quarter of an hour, how much power a lamp cabinet or a cable carries."), item("What the boxes report:", "which signals are green, how bright a group of lamps is, which limit a charging point keeps.")),
    make("h3", {}, "What is not"),
    make("ul", {}, item("Nothing with which anyone could be watched.", "There are no pictures, no plates, no phones, no faces, no cards and no field in which such a thing could travel: what is not a count or a sum is refused at the gate."), item("No trips.", "Moving dots are drawn from the simulation, without a number, and are gone with the next picture.")),
    make("h3", {}, "What keeps it safe"),
    make("ul", {}, item("Every order is checked", "against the rules of its field by a second, separate part before it is sent; what fails is refused and listed here."), item("Every order runs out.", "When lamplighter falls silent, or somebody hands everything back, each box goes on with its own programme.")),
    make("h3", {}, "With and without"),
    make("p", {}, scene.simulated ? "The same seed runs a second time without lamplighter, beside this one. Both lines in each chart come from sums that a real city could measure." : "Hours and areas take turns with and without lamplighter; both are measured alike."),
    ...asked(scene),
    make("h3", {}, "Thanks"),
    make("ul", {}, ...scene.attribution.map((one) => make("li", {}, one)), make("li", {}, "Map drawing: MapLibre GL JS, BSD-3-Clause. Charts: uPlot, MIT."), make("li", {}, "lamplighter: Apache-2.0")),
    make("h3", {}, "Keys"),
    make("p", {}, make("kbd", {}, "/"), " search  ", make("kbd", {}, "Tab"), " next  ", make("kbd", {}, "↑ ↓ Enter"), " choose a street  ", make("kbd", {}, "Esc"), " close  ", make("kbd", {}, "+ −"), " zoom the map"),
  );
}

/** What may be asked, as the services declare it. */
function asked(scene: Scene): HTMLElement[] {
  const rows = scene.services.flatMap((one) => (one.inquiry ? [make("li", {}, make("strong", {}, one.inquiry.title), ` ${one.inquiry.doc}`)] : []));
  if (!rows.length) return [];
  return [make("h3", {}, "What you can ask"), make("p", {}, "Choose one on the map, in the table or in the list of decisions:"), make("ul", {}, ...rows)];
}
