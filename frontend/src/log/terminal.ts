/** What a terminal would show of a line: its characters, each in its colour. */

/** Text of one style: class names, empty where it is plain. */
export interface Run {
  text: string;
  style: string;
}

/** What sequences have set, and what holds for the text after them. */
export interface Pen {
  colour: string;
  bold: boolean;
  dim: boolean;
  underline: boolean;
}

export const PLAIN_PEN: Pen = { colour: "", bold: false, dim: false, underline: false };

const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/;
const SEQUENCE =
  /(?:\x1b\[|\x9b)([0-?]*)[ -/]*([@-~])|(?:\x1b[\]PX^_k]|\x9d|\x90)[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]*[0-~]?|[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;
/** Classes of the colours 30 to 37; white is the text's own. */
const COLOURS = ["d", "r", "g", "y", "b", "m", "c", ""];
const BRIGHT_BLACK = "d";
const FARTHEST_COLUMN = 2000;

/** A line that is being written. What is written again is shown as it is then. */
export class TerminalLine {
  #plain = "";
  #cells: string[] | null = null;
  #styles: string[] = [];
  #column = 0;

  /** Writes text with the pen that is left from before; returns that for what follows. */
  write(text: string, pen: Pen): Pen {
    if (!this.#cells && !CONTROL.test(text) && styleOf(pen) === "") {
      this.#plain += text;
      return pen;
    }
    this.#openCells();
    let current = pen;
    let end = 0;
    for (const match of text.matchAll(SEQUENCE)) {
      this.#put(text.slice(end, match.index), current);
      end = match.index + match[0].length;
      if (match[2] === "m") {
        current = penAfter(current, match[1] ?? "");
      } else if (match[2]) {
        this.#move(match[2], Number.parseInt(match[1] ?? "", 10) || 0);
      } else if (match[0] === "\r") {
        this.#column = 0;
      } else if (match[0] === "\b") {
        this.#column = Math.max(0, this.#column - 1);
      }
    }
    this.#put(text.slice(end), current);
    return current;
  }

  /** How much there is of it, in characters. */
  get size(): number {
    return this.#plain.length + (this.#cells?.length ?? 0);
  }

  get text(): string {
    return this.#cells ? this.#cells.join("").trimEnd() : this.#plain;
  }

  get runs(): Run[] {
    if (!this.#cells) {
      return this.#plain ? [{ text: this.#plain, style: "" }] : [];
    }
    const runs: Run[] = [];
    this.#cells.forEach((character, column) => {
      const style = this.#styles[column] ?? "";
      const last = runs.at(-1);
      if (last?.style === style) {
        last.text += character;
      } else {
        runs.push({ text: character, style });
      }
    });
    return runs;
  }

  #openCells(): void {
    if (!this.#cells) {
      this.#cells = Array.from(this.#plain);
      this.#styles = this.#cells.map(() => "");
      this.#column = this.#cells.length;
      this.#plain = "";
    }
  }

  #put(text: string, pen: Pen): void {
    if (!text || !this.#cells) {
      return;
    }
    const style = styleOf(pen);
    while (this.#cells.length < this.#column) {
      this.#cells.push(" ");
      this.#styles.push("");
    }
    for (const character of text) {
      this.#cells[this.#column] = character;
      this.#styles[this.#column] = style;
      this.#column += 1;
    }
  }

  #move(final: string, count: number): void {
    if (final === "K") {
      this.#erase(count);
    } else if (final === "G" || final === "`") {
      this.#column = Math.min(Math.max(count, 1) - 1, FARTHEST_COLUMN);
    } else if (final === "C") {
      this.#column = Math.min(this.#column + Math.max(count, 1), FARTHEST_COLUMN);
    } else if (final === "D") {
      this.#column = Math.max(0, this.#column - Math.max(count, 1));
    }
  }

  #erase(what: number): void {
    const cells = this.#cells ?? [];
    if (what === 0) {
      cells.length = this.#styles.length = Math.min(cells.length, this.#column);
    } else if (what === 1) {
      const end = Math.min(cells.length, this.#column + 1);
      cells.fill(" ", 0, end);
      this.#styles.fill("", 0, end);
    } else {
      cells.length = this.#styles.length = 0;
    }
  }
}

function styleOf(pen: Pen): string {
  const colour = pen.colour || (pen.dim ? "d" : "");
  return [colour, pen.bold ? "bo" : "", pen.underline ? "un" : ""].filter(Boolean).join(" ");
}

/** The pen after a sequence that ends in `m`. */
export function penAfter(pen: Pen, parameters: string): Pen {
  const codes = parameters.split(/[;:]/).map((code) => Number.parseInt(code, 10) || 0);
  let next = { ...pen };
  for (let index = 0; index < codes.length; index += 1) {
    const code = codes[index] ?? 0;
    if (code === 0) {
      next = { ...PLAIN_PEN };
    } else if (code === 1) {
      next.bold = true;
    } else if (code === 2) {
      next.dim = true;
    } else if (code === 4) {
      next.underline = true;
    } else if (code === 22) {
      next.bold = next.dim = false;
    } else if (code === 24) {
      next.underline = false;
    } else if (code >= 30 && code <= 37) {
      next.colour = COLOURS[code - 30] ?? "";
    } else if (code === 39) {
      next.colour = "";
    } else if (code >= 90 && code <= 97) {
      next.colour = code === 90 ? BRIGHT_BLACK : (COLOURS[code - 90] ?? "");
    } else if (code === 38 || code === 48) {
      const length = codes[index + 1] === 5 ? 2 : 4;
      if (code === 38) {
        next.colour = nearest(codes.slice(index + 1, index + 1 + length));
      }
      index += length;
    }
  }
  return next;
}

/** The class of a colour that is given by its number of 256, or by its parts. */
function nearest([kind = 0, ...values]: number[]): string {
  const [first = 0, second = 0, third = 0] = values;
  if (kind !== 5) {
    return ofParts(first, second, third);
  }
  if (first < 16) {
    return first === 8 ? BRIGHT_BLACK : (COLOURS[first % 8] ?? "");
  }
  if (first >= 232) {
    return first < 246 ? "d" : "";
  }
  const cube = first - 16;
  return ofParts(Math.floor(cube / 36) * 51, (Math.floor(cube / 6) % 6) * 51, (cube % 6) * 51);
}

function ofParts(red: number, green: number, blue: number): string {
  const [low, high] = [Math.min(red, green, blue), Math.max(red, green, blue)];
  if (high - low < 48) {
    return high < 150 ? "d" : "";
  }
  const middle = (low + high) / 2;
  const bits = Number(red > middle) + 2 * Number(green > middle) + 4 * Number(blue > middle);
  return COLOURS[bits] ?? "";
}
