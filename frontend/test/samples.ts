/** Jobs, steps and words for tests. */

import type { Job, LogLine, Step, StepStatus, Thing } from "../src/model";
import { Texts } from "../src/text";
import en from "../src/translations/en.json";

export const TEXT = new Texts(en, "en");
export const NOW = new Date("2026-11-25T12:00:00Z");

export function at(secondsAgo: number): string {
  return new Date(NOW.getTime() - secondsAgo * 1000).toISOString();
}

export function step(index: number, status: StepStatus, changes: Partial<Step> = {}): Step {
  return {
    step: `Step-${index}`,
    step_index: index,
    status,
    reason: "",
    attempt: 1,
    started_at: status === "pending" || status === "skipped" ? null : at(60),
    ended_at: null,
    duration: null,
    percent: null,
    ...changes,
  };
}

export function job(changes: Partial<Job> = {}): Job {
  return {
    job_id: "update-7",
    execution_number: 1,
    status: "in_progress",
    reason: "",
    started_at: at(84),
    ended_at: null,
    duration: null,
    approved_at: null,
    approval: null,
    failed_step: null,
    step_reason: null,
    advice: null,
    steps: [step(1, "succeeded"), step(2, "in_progress"), step(3, "pending")],
    ...changes,
  };
}

export function failedJob(changes: Partial<Job> = {}): Job {
  return job({
    status: "failed",
    ended_at: at(240),
    duration: 14,
    failed_step: 2,
    step_reason: "exit status 1",
    advice: { kind: "exit_status", subject: null },
    steps: [step(1, "succeeded"), step(2, "failed"), step(3, "skipped")],
    ...changes,
  });
}

export function thing(changes: Partial<Thing> = {}): Thing {
  return {
    device_id: "device",
    name: "demo-home",
    thing_name: "demo-home",
    entry_id: "entry",
    state: "loaded",
    connected: true,
    error: null,
    disconnected_since: null,
    next_try_at: null,
    runner: { kind: "local", address: null, problem: null },
    holds: [],
    next_window: null,
    window: null,
    storage_problem: null,
    run_document: false,
    may: { control: true, administer: true },
    entities: {},
    ...changes,
  };
}

export function line(n: number, text: string, changes: Partial<LogLine> = {}): LogLine {
  return { n, step_index: 1, attempt: 1, stream: "stdout", at: at(0), text, ...changes };
}
