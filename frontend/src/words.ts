/** The sentences about jobs that stand in more than one place. */

import { type Job, type JobStatus, type Plan } from "./model";
import type { Key, Texts } from "./text";
import { length } from "./time";

type Ended = Exclude<JobStatus, "in_progress" | "awaiting_approval">;

/** Why a job ended as it did: the same sentence in its note, its row and the compact mode. */
export function reasonOf(job: Job, text: Texts): string {
  const failed = job.steps.find((step) => step.step_index === job.failed_step);
  if (failed) {
    const step = failed.step;
    return job.step_reason
      ? text.get("step_failed", { step, reason: job.step_reason })
      : text.get("step_failed_bare", { step });
  }
  return job.reason ? capitalized(job.reason) : text.get("job_failed");
}

/** What stands below a job's id in its row. */
export function resultOf(job: Job, text: Texts): string {
  switch (job.status) {
    case "succeeded":
      return stepCount(job.steps.length, text);
    case "failed":
      return reasonOf(job, text);
    case "timed_out": {
      const time = length(job.duration ?? 0, text);
      const step = job.failed_step;
      return step
        ? text.get("timed_out_in_step", { time, step })
        : text.get("timed_out_after", { time });
    }
    case "rejected":
      return job.step_reason
        ? text.get("rejected_because", { reason: job.step_reason })
        : capitalized(job.reason) || text.get("result_rejected");
    default:
      return text.get(`result_${job.status as Ended}`);
  }
}

export function stepCount(count: number, text: Texts): string {
  return text.get("step_count", { count });
}

/** How many steps a plan has, and whether AWS sends commands along. */
export function planSize(plan: Plan, text: Texts): string {
  const steps = stepCount(plan.steps.length, text);
  const count = plan.steps.filter((step) => step.kind === "command").length;
  if (count === 0) {
    return steps;
  }
  const key: Key =
    plan.steps.length === 1 ? "step_is_command" : count === 1 ? "steps_with_command" : "steps_with_commands";
  return text.get(key, { steps, count });
}

/** Where in a job it failed, and what became of the rest. */
export function placeOf(job: Job, text: Texts): string | null {
  const step = job.failed_step;
  if (step === null || job.steps.length < 2) {
    return null;
  }
  const rest = job.steps.filter((each) => each.step_index > step);
  const notRun = rest.length > 0 && rest.every((each) => each.started_at === null);
  return text.get(notRun ? "place_and_rest" : "place_only", { step, count: job.steps.length });
}

/** What to do about a failure, where that is known. */
export function adviceOf(job: Job, text: Texts): string | null {
  const { advice } = job;
  return advice && text.get(`advice_${advice.kind}`, { subject: advice.subject ?? "" });
}

export function capitalized(sentence: string): string {
  return sentence.charAt(0).toLocaleUpperCase() + sentence.slice(1);
}

/** All about a failed job as plain text, to be sent to who can help. */
export function reportOf(job: Job, thing: string, words: (step: number) => string, text: Texts): string {
  const lines = [
    `${thing}: ${job.job_id} (${job.execution_number})`,
    `${job.started_at ?? ""} – ${job.ended_at ?? ""}`,
    reasonOf(job, text),
    ...job.steps.map((step) => `${step.step_index}. ${step.step}: ${step.status}${detail(step.reason)}`),
  ];
  const output = job.failed_step === null ? "" : words(job.failed_step);
  return [...lines, ...(output ? ["", output] : [])].join("\n");
}

function detail(reason: string): string {
  return reason ? ` (${reason})` : "";
}
