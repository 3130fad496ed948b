// SPDX-License-Identifier: Apache-2.0
/** Search by street name, as a combobox: slash to come here, arrows, Enter, Escape. */
import { type City, fold, type Named } from "./city";
import { find, make } from "./dom";

const SHOWN = 8;

export class Search {
  private readonly input = find<HTMLInputElement>("search-input");
  private readonly list = find<HTMLUListElement>("search-list");
  private hits: Named[] = [];
  private at = -1;
  private gone = false;

  constructor(
    private readonly city: City,
    private readonly go: (named: Named | null) => void,
  ) {
    this.input.addEventListener("input", () => this.look());
    this.input.addEventListener("focus", () => this.look());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("blur", () => setTimeout(() => document.activeElement !== this.input && this.close(), 120));
    document.addEventListener("keydown", (event) => {
      const target = event.target as HTMLElement;
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName)) return;
      event.preventDefault();
      this.input.focus();
      this.input.select();
    });
  }

  private look(): void {
    const wanted = fold(this.input.value.trim());
    if (!wanted) {
      this.hits = [];
      this.close();
      if (this.gone) this.go(null);
      this.gone = false;
      return;
    }
    const starts = this.city.named.filter((one) => one.key.startsWith(wanted));
    const within = this.city.named.filter((one) => !one.key.startsWith(wanted) && one.key.includes(wanted));
    this.hits = [...starts, ...within].slice(0, SHOWN);
    this.at = this.hits.length ? 0 : -1;
    this.draw();
  }

  private draw(): void {
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    if (!this.hits.length) {
      this.list.replaceChildren(make("li", { class: "mute", role: "option", "aria-disabled": "true" }, "No street of this name"));
      this.input.removeAttribute("aria-activedescendant");
      return;
    }
    this.list.replaceChildren(
      ...this.hits.map((hit, index) =>
        make("li", { role: "option", id: `hit-${index}`, "aria-selected": String(index === this.at), mousedown: (event) => { event.preventDefault(); this.at = index; this.choose(); } }, hit.name),
      ),
    );
    this.input.setAttribute("aria-activedescendant", `hit-${this.at}`);
  }

  private key(event: KeyboardEvent): void {
    if (event.key === "Escape") {
      event.stopPropagation();
      this.input.value = "";
      this.close();
      this.go(null);
      return;
    }
    if (!this.hits.length) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      this.at = (this.at + (event.key === "ArrowDown" ? 1 : -1) + this.hits.length) % this.hits.length;
      this.draw();
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.choose();
    }
  }

  private choose(): void {
    const hit = this.hits[this.at];
    if (!hit) return;
    this.input.value = hit.name;
    this.close();
    this.gone = true;
    this.go(hit);
  }

  private close(): void {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }
}
