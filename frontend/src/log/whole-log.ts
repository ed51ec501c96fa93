/** A job's log as a whole: to be searched, and to be downloaded. */

import type { Api } from "../api";
import { messageOf } from "../home-assistant";
import type { Job, LogLine, LogPage } from "../model";
import { MAX_LINES, type ShownLine, StepLines } from "./lines";

/** How many lines are on the page at once. */
export const WINDOW = 1000;
/** More characters are not kept for a search. */
const MAX_SEARCHED = 20_000_000;
const MAX_MATCHES = 9999;

export interface Entry {
  step: number;
  /** Whether it is the first of its step. */
  first: boolean;
  shown: ShownLine;
}

export interface Match {
  entry: number;
  from: number;
  to: number;
}

/** The log of a job in a dialog: its end at once, all of it when it is asked for. */
export class WholeLog {
  entries: Entry[] = [];
  matches: Match[] = [];
  /** The place of the match that is looked at. */
  match = 0;
  query = "";
  /** The lines that are drawn, from and up to (not with) places among the entries. */
  window: [from: number, to: number] = [0, 0];
  busy = false;
  error: string | null = null;
  /** Whether it is too long to be kept as a whole. */
  cut = false;
  /** Changes with what is to be drawn. */
  version = 0;
  #whole = false;

  constructor(
    readonly api: Api,
    readonly job: Job,
    readonly changed: () => void,
  ) {}

  /** Reads the last lines. */
  async open(): Promise<void> {
    await this.#try(async () => {
      const lines: LogLine[] = [];
      let page = await this.api.readLog(this.job, { tail: MAX_LINES });
      lines.push(...page.lines);
      while (page.more) {
        page = await this.api.readLog(this.job, { after: page.number });
        lines.push(...page.lines);
      }
      this.#whole = lines.length < MAX_LINES;
      this.#set(lines);
    });
  }

  /** Whether there are lines before, or after, those that are drawn. */
  get earlier(): boolean {
    return this.window[0] > 0 || (!this.#whole && !this.cut);
  }

  get later(): boolean {
    return this.window[1] < this.entries.length;
  }

  async showEarlier(): Promise<void> {
    const behind = this.entries.length - this.window[1];
    await this.#readWhole();
    this.#show(this.entries.length - behind - WINDOW * 1.5);
  }

  showLater(): void {
    this.#show(this.window[0] + WINDOW / 2);
  }

  async search(query: string): Promise<void> {
    this.query = query;
    if (query) {
      await this.#readWhole();
    }
    if (query !== this.query) {
      return;
    }
    this.matches = [...this.#find(query.toLowerCase())];
    this.match = 0;
    this.#showMatch();
  }

  /** Goes to the next match, or the one before. */
  step(by: 1 | -1): void {
    const count = this.matches.length;
    if (count) {
      this.match = (this.match + by + count) % count;
      this.#showMatch();
    }
  }

  async #readWhole(): Promise<void> {
    if (this.#whole || this.cut) {
      return;
    }
    await this.#try(async () => {
      const lines: LogLine[] = [];
      let characters = 0;
      for await (const page of pagesOf(this.api, this.job)) {
        lines.push(...page.lines);
        characters += page.lines.reduce((sum, line) => sum + line.text.length, 0);
        if (characters > MAX_SEARCHED) {
          this.cut = true;
          break;
        }
      }
      this.#whole = !this.cut;
      this.#set(lines);
    });
  }

  async #try(deed: () => Promise<void>): Promise<void> {
    this.busy = true;
    this.changed();
    try {
      await deed();
      this.error = null;
    } catch (error) {
      this.error = messageOf(error);
    }
    this.busy = false;
    this.version += 1;
    this.changed();
  }

  #set(lines: readonly LogLine[]): void {
    this.entries = entriesOf(lines);
    this.#show(this.entries.length);
  }

  #show(from: number): void {
    const begin = Math.max(0, Math.min(Math.floor(from), this.entries.length - WINDOW));
    this.window = [begin, Math.min(this.entries.length, begin + WINDOW)];
    this.version += 1;
    this.changed();
  }

  #showMatch(): void {
    const entry = this.matches[this.match]?.entry;
    const [from, to] = this.window;
    if (entry !== undefined && (entry < from || entry >= to)) {
      this.#show(entry - WINDOW / 2);
    } else {
      this.version += 1;
      this.changed();
    }
  }

  *#find(query: string): Generator<Match> {
    let count = 0;
    for (const [entry, { shown }] of this.entries.entries()) {
      for (const [from, to] of placesOf(shown.line.text, query)) {
        yield { entry, from, to };
        count += 1;
        if (count === MAX_MATCHES) {
          return;
        }
      }
    }
  }
}

/** Where a text has a query, in whatever case. The query is in lower case. */
export function placesOf(text: string, query: string): [from: number, to: number][] {
  const places: [number, number][] = [];
  const lower = text.toLowerCase();
  for (let at = query ? lower.indexOf(query) : -1; at >= 0; at = lower.indexOf(query, at + query.length)) {
    places.push([at, at + query.length]);
  }
  return places;
}

/** All pages of a log, from its beginning. */
export async function* pagesOf(api: Api, job: Job): AsyncGenerator<LogPage> {
  let page = await api.readLog(job, { after: 0 });
  yield page;
  while (page.more) {
    page = await api.readLog(job, { after: page.number });
    yield page;
  }
}

/** A log as a text file has it: without colours, each line with its time. */
export async function textOf(api: Api, job: Job): Promise<string> {
  const lines: LogLine[] = [];
  for await (const page of pagesOf(api, job)) {
    lines.push(...page.lines);
  }
  const names = new Map(job.steps.map((step) => [step.step_index, step]));
  const written = entriesOf(lines).flatMap(({ step, first, shown }) => {
    const named = names.get(step);
    const heading = `Step ${step} of ${job.steps.length}: ${named?.step ?? ""} (${named?.status ?? ""})`;
    const dropped = shown.dropped ? [`[${shown.dropped} bytes left out]`] : [];
    const attempt = shown.attempt === null ? [] : [`[attempt ${shown.attempt}]`];
    return [...(first ? [heading] : []), ...attempt, ...dropped, `${shown.at} ${shown.line.text}`];
  });
  return `${written.join("\n")}\n`;
}

function entriesOf(lines: readonly LogLine[]): Entry[] {
  const steps = new Map<number, StepLines>();
  for (const line of lines) {
    let step = steps.get(line.step_index);
    if (!step) {
      step = new StepLines(Infinity, Infinity);
      steps.set(line.step_index, step);
    }
    step.append(line);
  }
  return [...steps].flatMap(([step, { all }]) =>
    all.map((shown, index) => ({ step, first: index === 0, shown })),
  );
}
