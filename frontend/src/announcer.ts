/** What a screen reader is told while the card changes: the news, not the log. */

import { type Job, keyOf } from "./model";
import type { Texts } from "./text";
import { reasonOf } from "./words";

/** Steps are told no more often than this. */
const STEP_MS = 10_000;

/** The news between two moments of a thing; none on the first. */
export interface News {
  words: string;
  /** A step can wait, and is left out when another has begun. */
  step: boolean;
}

export function newsOf(before: Job | null, job: Job | null, ended: Job | null, text: Texts): News | null {
  const same = before && job && keyOf(before) === keyOf(job);
  if (job?.status === "awaiting_approval" && !(same && before.status === job.status)) {
    return { words: text.get("say_approval", { job: job.job_id }), step: false };
  }
  if (job?.status === "in_progress" && !(same && before.status === job.status)) {
    return { words: text.get("say_started", { job: job.job_id }), step: false };
  }
  if (same) {
    return stepNews(before, job, text);
  }
  if (before && ended && keyOf(before) === keyOf(ended)) {
    const words =
      ended.status === "succeeded"
        ? text.get("say_succeeded", { job: ended.job_id })
        : text.get("say_ended", { job: ended.job_id, reason: reasonOf(ended, text) });
    return { words, step: false };
  }
  return null;
}

function stepNews(before: Job, job: Job, text: Texts): News | null {
  const running = (of: Job) => of.steps.find((step) => step.status === "in_progress");
  const step = running(job);
  if (!step || running(before)?.step_index === step.step_index) {
    return null;
  }
  const values = { step: step.step_index, count: job.steps.length, name: step.step };
  return { words: text.get("say_step", values), step: true };
}

/** Says the news in their order, and steps at their pace. */
export class Announcer {
  words = "";
  readonly #changed: () => void;
  #stepAt = -STEP_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  tell(news: News, nowMs: number): void {
    clearTimeout(this.#timer);
    const wait = news.step ? this.#stepAt + STEP_MS - nowMs : 0;
    if (wait <= 0) {
      this.#say(news.words, news.step ? nowMs : this.#stepAt);
    } else {
      this.#timer = setTimeout(() => { this.#say(news.words, nowMs + wait); }, wait);
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #say(words: string, stepAt: number): void {
    this.#stepAt = stepAt;
    this.words = words;
    this.#changed();
  }
}
