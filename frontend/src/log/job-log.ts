/** The log of one job: the last lines of its steps, followed while it runs. */

import type { Api } from "../api";
import { messageOf } from "../home-assistant";
import type { JobKey, LogLine, LogMessage } from "../model";
import { MAX_LINES, StepLines } from "./lines";

/** How often a log is asked for that cannot be read at once. */
const RETRY_MS = 3000;

export class JobLog {
  /** Why it cannot be read, in words. */
  error: string | null = null;
  readonly #api: Api;
  readonly #job: JobKey;
  readonly #steps = new Map<number, StepLines>();
  readonly #listeners = new Set<() => void>();
  readonly #wanted = new Set<number>();
  /** Whether steps that are not here have written nothing. */
  #whole = false;
  #number = 0;
  #following = false;
  #ended = false;
  #stopped = false;
  #unsubscribe: (() => Promise<void>) | null = null;
  /** Which subscription counts: answers to earlier ones come too late. */
  #turn = 0;

  constructor(api: Api, job: JobKey) {
    this.#api = api;
    this.#job = job;
  }

  /** Calls back when lines have come. Returns how to end that. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The lines of a step, by its place from 1; none where they are not read yet. */
  step(index: number): StepLines | null {
    return this.#steps.get(index) ?? null;
  }

  /** Whether all that a step has written so far is known, as far as a page holds it. */
  knows(index: number): boolean {
    return this.#steps.get(index)?.complete ?? this.#whole;
  }

  /** Reads what is there, then follows the job to its end. */
  async follow(): Promise<void> {
    this.#following = true;
    await this.#try(async (turn) => {
      if (!this.#whole && !this.#steps.size) {
        await this.#readTail(turn);
      }
      if (turn === this.#turn) {
        await this.#subscribe(turn);
      }
    });
  }

  /** After the connection to Home Assistant was lost: goes on where it was. */
  reconnect(): void {
    this.#unsubscribe = null;
    if (this.#following && !this.#ended && !this.#stopped) {
      void this.follow();
    }
  }

  /** Sees to it that the lines of a step come. */
  async need(index: number): Promise<void> {
    const reading = this.#following && !this.#whole && !this.#steps.size;
    if (this.knows(index) || this.#wanted.has(index) || reading) {
      return;
    }
    this.#wanted.add(index);
    try {
      const lines = new StepLines();
      await this.#read({ step_index: index, tail: MAX_LINES }, (line) => { lines.append(line); });
      lines.complete = true;
      this.#steps.set(index, lines);
      this.error = null;
    } catch (error) {
      this.error = messageOf(error);
    }
    this.#wanted.delete(index);
    this.#tell();
  }

  stop(): void {
    this.#stopped = true;
    this.#turn += 1;
    this.#end();
  }

  async #try(deed: (turn: number) => Promise<void>): Promise<void> {
    this.#turn += 1;
    const turn = this.#turn;
    try {
      await deed(turn);
      this.error = null;
    } catch (error) {
      if (turn !== this.#turn) {
        return;
      }
      this.error = messageOf(error);
      setTimeout(() => {
        if (turn === this.#turn && !this.#ended) {
          void this.#try(deed);
        }
      }, RETRY_MS);
    }
    this.#tell();
  }

  async #readTail(turn: number): Promise<void> {
    const lines: LogLine[] = [];
    const number = await this.#read({ tail: MAX_LINES }, (line) => { lines.push(line); });
    if (turn !== this.#turn) {
      return;
    }
    this.#number = number;
    lines.forEach((line) => { this.#append(line); });
    this.#whole = lines.length < MAX_LINES;
    // The first of several steps may have begun before these lines.
    const first = this.#steps.get(lines[0]?.step_index ?? 0);
    if (first && !this.#whole && this.#steps.size > 1) {
      first.complete = false;
    }
  }

  /** Reads page by page; returns the last number. */
  async #read(
    range: { step_index?: number; tail: number },
    take: (line: LogLine) => void,
  ): Promise<number> {
    let page = await this.#api.readLog(this.#job, range);
    page.lines.forEach(take);
    while (page.more) {
      const { tail, ...place } = range;
      page = await this.#api.readLog(this.#job, { ...place, after: page.number });
      page.lines.forEach(take);
    }
    return page.number;
  }

  async #subscribe(turn: number): Promise<void> {
    for (const lines of this.#steps.values()) {
      lines.dropAfter(this.#number);
    }
    const unsubscribe = await this.#api.subscribeLog(this.#job, this.#number, (message) => {
      if (turn === this.#turn) {
        this.#take(message);
      }
    });
    if (turn === this.#turn) {
      this.#unsubscribe = unsubscribe;
    } else {
      unsubscribe().catch(ignore);
    }
  }

  #take(message: LogMessage): void {
    message.lines.forEach((line) => { this.#append(line); });
    this.#number = Math.max(this.#number, message.number);
    this.#api.taken(message.subscription);
    if (message.ended) {
      this.#ended = true;
      this.#end();
    }
    this.#tell();
  }

  #append(line: LogLine): void {
    let lines = this.#steps.get(line.step_index);
    if (!lines) {
      lines = new StepLines();
      lines.complete = true;
      this.#steps.set(line.step_index, lines);
    }
    lines.append(line);
  }

  #end(): void {
    this.#unsubscribe?.().catch(ignore);
    this.#unsubscribe = null;
  }

  #tell(): void {
    this.#listeners.forEach((listener) => { listener(); });
  }
}

function ignore(): void {
  // It has ended by itself, or the connection has.
}
