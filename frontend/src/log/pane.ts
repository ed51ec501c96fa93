/** Draws a step's lines into an element: by frame, the last ones, at the bottom. */

import { AsyncDirective, directive } from "lit/async-directive.js";
import { type ElementPart, noChange } from "lit/html.js";

import type { Texts } from "../text";
import type { JobLog } from "./job-log";
import type { ShownLine, StepLines } from "./lines";

/** How many lines one frame draws: few enough to leave the page time. */
const LINES_A_FRAME = 120;
/** More lines than are in sight: they have their true height, those above need not. */
const NEAR_LINES = 60;
/** As near to the bottom as this, in pixels, a reader is there. */
const NEAR = 12;

/** Where a reader is. It outlives what is drawn. */
export interface Reading {
  /** Why nothing is drawn: by the button, or as the reader has scrolled up. */
  paused: "" | "button" | "scroll";
  /** The place behind the last line that is drawn. */
  drawn: number;
}

export interface PaneOptions {
  log: JobLog;
  step: number;
  reading: Reading;
  text: Texts;
  /** What is said where there are no lines. */
  empty: string;
  /** Called when the reader pauses, follows again, or has new lines to come to. */
  onChange: () => void;
}

class Pane {
  readonly #element: HTMLElement;
  #options: PaneOptions | null = null;
  #lines: StepLines | null = null;
  #empty: string | null = null;
  #from = 0;
  #far = 0;
  #frame = 0;
  #top = 0;
  #unlisten: () => void = nothing;
  readonly #resized: ResizeObserver;
  readonly #gone = new AbortController();

  constructor(element: HTMLElement) {
    this.#element = element;
    const { signal } = this.#gone;
    element.addEventListener("scroll", () => { this.#scrolled(); }, { passive: true, signal });
    element.addEventListener("keydown", (event) => { this.#pressed(event); }, { signal });
    this.#resized = new ResizeObserver(() => { this.#stick(); });
    this.#resized.observe(element);
  }

  show(options: PaneOptions): void {
    const before = this.#options;
    this.#options = options;
    if (before?.log !== options.log) {
      this.#unlisten();
      this.#unlisten = options.log.listen(() => { this.#heard(); });
    }
    if (before?.log !== options.log || before.step !== options.step) {
      this.#clear(null);
    }
    this.#draw();
    this.#schedule();
  }

  close(): void {
    this.#unlisten();
    this.#gone.abort();
    this.#resized.disconnect();
    cancelAnimationFrame(this.#frame);
    this.#options = null;
  }

  #heard(): void {
    if (this.#options?.reading.paused) {
      this.#options.onChange();
    }
    this.#schedule();
  }

  #schedule(): void {
    if (!this.#frame) {
      this.#frame = requestAnimationFrame(() => {
        this.#frame = 0;
        this.#draw();
      });
    }
  }

  #draw(): void {
    const options = this.#options;
    if (!options) {
      return;
    }
    const lines = options.log.step(options.step);
    if (lines !== this.#lines) {
      this.#clear(lines);
    }
    if (!lines || lines.end === lines.begin) {
      this.#sayEmpty(options.empty);
    } else if (!options.reading.paused || options.reading.drawn === 0) {
      this.#drawLines(lines, options);
    }
  }

  #drawLines(lines: StepLines, { reading, text }: PaneOptions): void {
    if (this.#empty !== null) {
      this.#clear(lines);
    }
    const { begin, end } = lines;
    if (reading.drawn < begin) {
      this.#clear(lines);
      this.#from = reading.drawn = begin;
    }
    for (; this.#from < begin; this.#from += 1) {
      this.#element.firstChild?.remove();
    }
    for (; reading.drawn > end; reading.drawn -= 1) {
      this.#element.lastChild?.remove();
    }
    for (const place of lines.takeChanged()) {
      const line = lines.at(place);
      if (line && place >= this.#from && place < reading.drawn) {
        this.#element.children[place - this.#from]?.replaceWith(lineElement(line, text));
      }
    }
    const added = lines.from(reading.drawn).slice(0, LINES_A_FRAME);
    this.#element.append(...added.map((line) => lineElement(line, text)));
    reading.drawn += added.length;
    for (let place = Math.max(this.#far, this.#from); place < reading.drawn - NEAR_LINES; place += 1) {
      this.#element.children[place - this.#from]?.classList.add("far");
      this.#far = place + 1;
    }
    this.#stick();
    if (reading.drawn < end) {
      this.#schedule();
    }
  }

  #clear(lines: StepLines | null): void {
    this.#element.replaceChildren();
    this.#lines = lines;
    this.#empty = null;
    this.#from = this.#far = lines?.begin ?? 0;
    if (this.#options) {
      this.#options.reading.drawn = this.#from;
    }
  }

  #sayEmpty(words: string): void {
    if (words !== this.#empty) {
      this.#clear(this.#lines);
      this.#empty = words;
      const element = document.createElement("div");
      element.className = "d";
      element.textContent = words;
      this.#element.append(element);
    }
  }

  #stick(): void {
    if (!this.#options?.reading.paused) {
      this.#element.scrollTop = this.#element.scrollHeight;
      this.#top = this.#element.scrollTop;
    }
  }

  #scrolled(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.#element;
    const atEnd = scrollHeight - clientHeight - scrollTop < NEAR;
    const paused = this.#options?.reading.paused;
    if (!paused && !atEnd && scrollTop < this.#top - 1) {
      this.#setPaused("scroll");
    } else if (paused === "scroll" && atEnd && scrollTop > this.#top) {
      this.#setPaused("");
    }
    this.#top = scrollTop;
  }

  #pressed(event: KeyboardEvent): void {
    if (event.key === "End" && this.#options?.reading.paused) {
      this.#setPaused("");
    }
  }

  #setPaused(paused: Reading["paused"]): void {
    if (this.#options) {
      this.#options.reading.paused = paused;
      this.#options.onChange();
      this.#schedule();
    }
  }
}

class PaneDirective extends AsyncDirective {
  #pane: Pane | null = null;
  #element: HTMLElement | null = null;
  #last: PaneOptions | null = null;

  override render(_options: PaneOptions): unknown {
    return noChange;
  }

  override update(part: ElementPart, [options]: [PaneOptions]): unknown {
    this.#pane ??= new Pane(part.element as HTMLElement);
    this.#last = options;
    this.#element = part.element as HTMLElement;
    this.#pane.show(options);
    return noChange;
  }

  override disconnected(): void {
    this.#pane?.close();
    this.#pane = null;
  }

  override reconnected(): void {
    if (this.#element && this.#last) {
      this.#element.replaceChildren();
      this.#last.reading.drawn = 0;
      this.#pane = new Pane(this.#element);
      this.#pane.show(this.#last);
    }
  }
}

/** Shows a step's lines in the element it stands in, and follows them. */
export const pane = directive(PaneDirective);

export interface LineOptions {
  /** Stands before the line. */
  time?: string;
  /** Finds what is to be marked in the text of the line: places in it. */
  marks?: (text: string) => [from: number, to: number][];
}

/** A line as an element, with what has to be said before it. */
export function lineElement(shown: ShownLine, text: Texts, options: LineOptions = {}): HTMLElement {
  const element = document.createElement("div");
  const plain = shown.line.text;
  element.style.setProperty("--i", String((/^ */.exec(plain)?.[0].length ?? 0) + 2));
  if (shown.attempt !== null) {
    element.append(span("sec", text.get("attempt", { n: shown.attempt })));
  }
  if (shown.dropped) {
    element.append(span("sec", text.get("left_out", { size: size(shown.dropped, text) })));
  }
  if (options.time !== undefined) {
    element.className = "tl";
    element.append(span("ts", options.time));
  }
  const marks = options.marks?.(plain) ?? [];
  let place = 0;
  for (const { text: characters, style } of shown.line.runs) {
    for (const [piece, marked] of pieces(characters, place, marks)) {
      const node = style ? span(style, piece) : document.createTextNode(piece);
      element.append(marked ? wrapped("mark", node) : node);
    }
    place += characters.length;
  }
  return element;
}

/** Cuts the text of a run, which begins at a place of its line, where marks begin and end. */
function* pieces(
  characters: string,
  begin: number,
  marks: [from: number, to: number][],
): Generator<[text: string, marked: boolean]> {
  let place = 0;
  for (const [from, to] of marks) {
    const [first, last] = [Math.max(from - begin, place), Math.min(to - begin, characters.length)];
    if (last > first) {
      if (first > place) {
        yield [characters.slice(place, first), false];
      }
      yield [characters.slice(first, last), true];
      place = last;
    }
  }
  if (place < characters.length) {
    yield [characters.slice(place), false];
  }
}

/** An amount of bytes, in words. */
export function size(bytes: number, text: Texts): string {
  const [unit, divisor] =
    bytes < 1000 ? ["byte", 1] : bytes < 1e6 ? ["kilobyte", 1000] : ["megabyte", 1e6];
  return text.number(bytes / divisor, {
    style: "unit",
    unit,
    unitDisplay: "short",
    maximumFractionDigits: bytes < 1e6 ? 0 : 1,
  });
}

function span(className: string, words: string): HTMLElement {
  const element = document.createElement("span");
  element.className = className;
  element.textContent = words;
  return element;
}

function wrapped(tag: string, node: Node): HTMLElement {
  const element = document.createElement(tag);
  element.append(node);
  return element;
}

function nothing(): void {
  // Nothing is listened to.
}
