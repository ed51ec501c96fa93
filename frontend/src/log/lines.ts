/** The last lines of a step's output: as many as a page holds, and no more. */

import type { LogLine } from "../model";
import { PLAIN_PEN, type Pen, TerminalLine } from "./terminal";

export const MAX_LINES = 2000;
/** Long lines are fewer: this many characters are kept at most. */
export const MAX_CHARACTERS = 1_000_000;

/** A line as it is shown. */
export interface ShownLine {
  readonly n: number;
  readonly at: string;
  /** Bytes of output that are missing before it. */
  readonly dropped: number;
  /** Which attempt begins with it; none where it goes on. */
  readonly attempt: number | null;
  readonly line: TerminalLine;
}

/** Lines of one step. A line has a place that it keeps while others go from the top. */
export class StepLines {
  /** The place of the first line that is kept. */
  begin = 0;
  /** Whether the lines before the first kept one are known to be none, or to have gone here. */
  complete = false;
  readonly #lines: ShownLine[] = [];
  readonly #pens = new Map<string, Pen>();
  readonly #open = new Map<string, ShownLine>();
  readonly #changed = new Set<number>();
  readonly #maxLines: number;
  readonly #maxCharacters: number;
  #attempt = 1;
  #characters = 0;

  constructor(maxLines = MAX_LINES, maxCharacters = MAX_CHARACTERS) {
    this.#maxLines = maxLines;
    this.#maxCharacters = maxCharacters;
  }

  /** The place behind the last line. */
  get end(): number {
    return this.begin + this.#lines.length;
  }

  /** The last place of the log that is among them. */
  get number(): number {
    return this.#lines.at(-1)?.n ?? 0;
  }

  at(place: number): ShownLine | undefined {
    return this.#lines[place - this.begin];
  }

  get all(): readonly ShownLine[] {
    return this.#lines;
  }

  /** Those from a place on. */
  from(place: number): readonly ShownLine[] {
    return this.#lines.slice(Math.max(0, place - this.begin));
  }

  append(given: LogLine): void {
    const pen = this.#pens.get(given.stream) ?? PLAIN_PEN;
    const open = given.continues ? this.#open.get(given.stream) : undefined;
    if (open) {
      const size = open.line.size;
      this.#pens.set(given.stream, open.line.write(given.text, pen));
      this.#characters += open.line.size - size;
      this.#changed.add(this.begin + this.#lines.lastIndexOf(open));
    } else {
      this.#add(given, given.attempt === this.#attempt ? pen : PLAIN_PEN);
    }
    this.#trim();
  }

  /** Forgets what comes after a number: it is told again. */
  dropAfter(number: number): void {
    while ((this.#lines.at(-1)?.n ?? 0) > number) {
      this.#characters -= this.#lines.pop()?.line.size ?? 0;
      this.#changed.add(this.end);
    }
    this.#open.clear();
  }

  /** The places of the lines that have changed since this was asked. */
  takeChanged(): Set<number> {
    const changed = new Set(this.#changed);
    this.#changed.clear();
    return changed;
  }

  #add(given: LogLine, pen: Pen): void {
    const line = new TerminalLine();
    this.#pens.set(given.stream, line.write(given.text, pen));
    const shown: ShownLine = {
      n: given.n,
      at: given.at,
      dropped: given.dropped ?? 0,
      attempt: given.attempt === this.#attempt ? null : given.attempt,
      line,
    };
    this.#attempt = given.attempt;
    this.#lines.push(shown);
    this.#open.set(given.stream, shown);
    this.#characters += line.size;
  }

  #trim(): void {
    let drop = Math.max(0, this.#lines.length - this.#maxLines);
    for (let index = 0; index < drop; index += 1) {
      this.#characters -= this.#lines[index]?.line.size ?? 0;
    }
    while (this.#characters > this.#maxCharacters && drop < this.#lines.length - 1) {
      this.#characters -= this.#lines[drop]?.line.size ?? 0;
      drop += 1;
    }
    if (drop) {
      this.#lines.splice(0, drop);
      this.begin += drop;
    }
  }
}
