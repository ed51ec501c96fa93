/** What steps look like: their state, their word, and which of many are shown. */

import { hasEnded, type Job, type Step } from "./model";
import { secondsBetween } from "./server-clock";
import type { Texts } from "./text";
import { digital } from "./time";

export type StepState = "wait" | "run" | "done" | "failed" | "ignored" | "skipped" | "stopped";
export type Tone = "run" | "ok" | "bad" | "ask" | "off" | "";

export const TONE_OF_STEP: Record<StepState, Tone> = {
  wait: "off",
  run: "run",
  done: "ok",
  failed: "bad",
  ignored: "ask",
  skipped: "off",
  stopped: "bad",
};

const FOLDED_FROM = 9;
const ROWS = 7;
/** The place of the running step among the rows, from 0. */
const FOCUS_ROW = 3;
const THIN_BAR_FROM = 13;
const PLAIN_BAR_FROM = 41;

export function stateOf(step: Step, job: Job): StepState {
  switch (step.status) {
    case "in_progress":
      return hasEnded(job) ? "stopped" : "run";
    case "succeeded":
      return "done";
    case "failed":
      return "failed";
    case "failure_ignored":
      return "ignored";
    case "stopped":
      return "stopped";
    case "skipped":
      return "skipped";
    case "pending":
      return hasEnded(job) ? "skipped" : "wait";
  }
}

/** The word at the end of a step's row: nothing, a length, or how it failed and when. */
export function wordOf(step: Step, state: StepState, now: Date, text: Texts): string {
  const time = digital(step.duration ?? 0);
  switch (state) {
    case "wait":
      return "";
    case "run": {
      const running = digital(secondsBetween(step.started_at, now));
      return step.percent === null ? running : text.get("word_percent", { percent: step.percent, time: running });
    }
    case "done":
      return time;
    case "failed":
      return step.exit_status != null
        ? text.get("word_exit", { status: String(step.exit_status), time })
        : text.get("word_failed", { time });
    case "ignored":
      return text.get("word_ignored", { time });
    case "stopped":
      return text.get("word_stopped", { time });
    case "skipped":
      return text.get("word_not_run");
  }
}

/** The step that runs; else the one that failed, or that ran last. */
export function currentStep(job: Job): Step | undefined {
  const { steps } = job;
  return (
    steps.find((step) => step.status === "in_progress") ??
    steps.find((step) => step.step_index === job.failed_step) ??
    steps.findLast((step) => step.started_at !== null)
  );
}

/** How many steps are over: it is what the bar counts. */
export function doneCount(job: Job): number {
  return job.steps.filter((step) => step.status !== "pending" && step.status !== "in_progress").length;
}

/** How much of a job is done, from 0 to 1: each of its steps counts alike. */
export function shareOf(job: Job): number {
  const running = job.steps.find((step) => step.status === "in_progress")?.percent ?? 0;
  return (doneCount(job) + running / 100) / job.steps.length;
}

/** Which rows are shown, from and up to (not with) places from 0; the rest folds. */
export function shownRows(count: number, focus: number): [from: number, to: number] {
  if (count < FOLDED_FROM) {
    return [0, count];
  }
  if (focus <= FOCUS_ROW) {
    return [0, ROWS - 1];
  }
  if (focus >= count - 1 - FOCUS_ROW) {
    return [count - (ROWS - 1), count];
  }
  // One row above and one below are folds.
  const from = focus - (FOCUS_ROW - 1);
  return [from, from + ROWS - 2];
}

export function barStyle(count: number): "" | "fine" | "plain" {
  return count >= PLAIN_BAR_FROM ? "plain" : count >= THIN_BAR_FROM ? "fine" : "";
}
