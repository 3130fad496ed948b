// SPDX-License-Identifier: Apache-2.0
/** What may be asked about a box: by anybody, why they waited; by an operator, for an act. It stays while figures beside it renew. */
import { make, say } from "./dom";
import type { Clock } from "./format";
import type { Room } from "./room";
import type { Inquiry, Letter, Offer } from "./types";
import { ask, look } from "./wire";

const BEFORE_S = 900; // the last quarter of an hour that has ended
const MOMENT = /\d{4}-\d\d-\d\d \d\d:\d\d[+-]\d\d:\d\d/g;
const VERDICTS: Record<string, string> = { within: "Within what is allowed", beyond: "Longer than is allowed", unknown: "Not known" };

export class Asking {
  readonly element = make("div", { class: "asking" });
  private box = "";

  constructor(
    private readonly clock: Clock,
    private readonly room: Room | null,
    private readonly now: () => number,
    private readonly tell: (text: string) => void,
  ) {}

  /** Show what may be asked of a box; the same box again leaves what was typed as it stands. */
  show(box: string, inquiry: Inquiry | null): void {
    if (box === this.box) return;
    this.box = box;
    this.element.replaceChildren();
    if (!box) return;
    if (inquiry) this.element.append(this.inquiry(box, inquiry));
    if (!this.room) return;
    const standing = make("ul", { class: "wishes", "aria-label": "What operators asked for here", hidden: true });
    this.element.prepend(standing);
    this.room.mirror(box, standing);
    void this.offers(box, this.room);
  }

  private inquiry(box: string, inquiry: Inquiry): HTMLElement {
    const [day, time] = this.clock.moment(this.now() - BEFORE_S);
    const on = make("input", { type: "date", value: day, required: true });
    const at = make("input", { type: "time", value: time, required: true });
    const part = make("select", {}, make("option", { value: "" }, "all streets"));
    const said = make("div", { class: "said", role: "status" });
    const put = (moment: string): void => void this.answer(box, moment, part, said);
    const form = make(
      "form",
      { submit: (event) => (event.preventDefault(), put(`${on.value} ${at.value}`)) },
      make("div", { class: "fields" }, make("label", {}, "Day", on), make("label", {}, "Time", at), make("label", { class: "wide" }, "Coming from", part)),
      make("button", { type: "submit", class: "plain" }, "Look it up"),
    );
    const opened = (event: Event): void => {
      if ((event.currentTarget as HTMLDetailsElement).open && !said.hasChildNodes()) put(`${on.value} ${at.value}`);
    };
    return make("details", { class: "ask", toggle: opened }, make("summary", {}, inquiry.title), make("p", { class: "mute small" }, inquiry.doc), form, said);
  }

  private async answer(box: string, at: string, part: HTMLSelectElement, said: HTMLElement): Promise<void> {
    said.replaceChildren(make("p", { class: "mute" }, "Looking it up …"));
    try {
      const answer = await fetch(`/api/account/${encodeURIComponent(box)}?${new URLSearchParams({ at, part: part.value })}`);
      const letter = (await answer.json()) as Letter & { detail?: string };
      if (answer.ok) this.letter(letter, part, said);
      else this.unsaid(letter.detail ?? `The server answered ${answer.status}.`, said, (moment) => void this.answer(box, moment, part, said));
    } catch {
      said.replaceChildren(make("p", {}, "The city does not answer. Try again in a moment."));
    }
  }

  private letter(letter: Letter, part: HTMLSelectElement, said: HTMLElement): void {
    const chosen = part.value;
    part.replaceChildren(make("option", { value: "" }, "all streets"), ...letter.parts.map((one) => make("option", { value: one, selected: one === chosen }, one)));
    const text = make("blockquote", { tabindex: "0", "aria-label": "The answer" }, ...letter.paragraph.split("\n\n").map((one) => make("p", {}, one)));
    const copy = make("button", { type: "button", class: "plain", click: () => void this.copy(letter.paragraph, text) }, "Copy the answer");
    said.replaceChildren(make("p", { class: `verdict ${letter.verdict}` }, VERDICTS[letter.verdict] ?? letter.verdict), text, copy);
  }

  /** Where a moment came twice, the server names both: each becomes a button. */
  private unsaid(detail: string, said: HTMLElement, put: (moment: string) => void): void {
    const moments = detail.match(MOMENT) ?? [];
    said.replaceChildren(make("p", {}, detail), ...moments.map((one) => make("button", { type: "button", class: "plain", click: () => put(one) }, one)));
  }

  private async copy(text: string, shown: HTMLElement): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
      this.tell("The answer is copied.");
    } catch {
      getSelection()?.selectAllChildren(shown);
      this.tell("The browser does not let this page copy: the answer is selected, copy it with Ctrl+C.");
    }
  }

  private async offers(box: string, room: Room): Promise<void> {
    try {
      const offers = await look<Offer[]>(`offers/${encodeURIComponent(box)}`);
      if (this.box === box) this.element.append(...offers.map((one) => this.offer(one, room)));
    } catch (fault) {
      if (this.box === box) this.element.append(make("p", { class: "mute" }, (fault as Error).message));
    }
  }

  private offer(offer: Offer, room: Room): HTMLElement {
    const choice = make("select", {}, ...offer.choices.map((one, at) => make("option", { value: String(at) }, one.words)));
    const lasts = make("select", {}, ...[...offer.durations_s].sort((a, b) => a - b).map((one) => make("option", { value: String(one), selected: one === offer.durations_s[0] }, duration(one))));
    const why = make("select", {}, ...room.reasons.map((one) => make("option", { value: one }, one)));
    const said = make("p", { class: "said", role: "status" });
    const put = async (): Promise<void> => {
      const values = offer.choices[Number(choice.value)]?.values ?? {};
      say(said, "Asking …");
      try {
        await ask(`ask/${encodeURIComponent(offer.service)}`, { action: offer.action, boxes: [{ asset: offer.asset, values }], duration_s: Number(lasts.value), reason: why.value });
        say(said, "");
        await room.renew();
      } catch (fault) {
        say(said, (fault as Error).message);
      }
    };
    return make(
      "details",
      { class: "ask operator" },
      make("summary", {}, offer.title, make("span", { class: "mute small" }, " operators only")),
      make("p", { class: "mute small" }, offer.doc),
      make(
        "form",
        { submit: (event) => (event.preventDefault(), void put()) },
        make(
          "div",
          { class: "fields" },
          offer.choices.length > 1 ? make("label", { class: "wide" }, "For", choice) : null,
          make("label", {}, "How long", lasts),
          make("label", {}, "Why", why),
        ),
        make("button", { type: "submit", class: "danger" }, `Ask: ${offer.title.toLowerCase()}`),
      ),
      said,
    );
  }
}

function duration(seconds: number): string {
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
