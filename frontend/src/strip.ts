/** The strip of the last jobs: a bar each, high by how long it took, coloured by result. */

import { hasEnded, type Job, type JobStatus } from "./model";
import { secondsBetween } from "./server-clock";
import type { Tone } from "./steps";

export const STRIP_BARS = 20;
/** A job of this length, in seconds, has the whole height. */
const HIGHEST = 1800;

export interface StripBar {
  tone: Tone;
  /** From 0 to 1. */
  height: number;
}

export const TONE_OF_RESULT: Record<JobStatus, Tone> = {
  in_progress: "run",
  awaiting_approval: "ask",
  succeeded: "ok",
  failed: "bad",
  timed_out: "ask",
  rejected: "off",
  canceled: "off",
  removed: "off",
};

/** The bars, oldest first; the job under way is the last. */
export function stripOf(history: readonly Job[], job: Job | null, now: Date): StripBar[] {
  const jobs = [...history].reverse();
  if (job) {
    jobs.push(job);
  }
  return jobs.slice(-STRIP_BARS).map((each) => ({
    tone: TONE_OF_RESULT[each.status],
    height: barHeight(hasEnded(each) ? (each.duration ?? 0) : secondsBetween(each.started_at, now)),
  }));
}

/** By the logarithm: seconds and hours are told apart on the same strip. */
export function barHeight(seconds: number): number {
  return Math.min(1, Math.log1p(Math.max(0, seconds)) / Math.log1p(HIGHEST));
}
