/** What the head says: its icon, its colour, and one line. */

import {
  mdiAlertCircleOutline,
  mdiClipboardAlertOutline,
  mdiClipboardCheckOutline,
  mdiClipboardClockOutline,
  mdiClipboardOffOutline,
  mdiClipboardPlayOutline,
  mdiClipboardTextOutline,
  mdiCloudOffOutline,
  mdiPauseCircleOutline,
  mdiTrashCanOutline,
} from "./icon-paths";
import type { Locale } from "./home-assistant";
import { type Job, type JobStatus, type Thing } from "./model";
import { secondsBetween } from "./server-clock";
import type { Kind, Situation } from "./situation";
import { currentStep, doneCount, type Tone } from "./steps";
import type { Key, Texts } from "./text";
import { ago, type Clock } from "./time";
import { reasonOf, resultOf, stepCount } from "./words";

export interface Headline {
  tone: Tone;
  icon: string;
  line: string;
}

/** How much room there is: a whole card, a row among others, or a tile. */
export type Place = "full" | "row" | "compact";

export interface Told {
  situation: Situation;
  thing: Thing | null;
  history: readonly Job[];
  now: Date;
  text: Texts;
  clock: Clock;
  locale: Locale;
}

const LOOKS: Record<Kind, [tone: Tone, icon: string]> = {
  loading: ["off", mdiClipboardTextOutline],
  no_access: ["off", mdiAlertCircleOutline],
  removed: ["off", mdiTrashCanOutline],
  not_loaded: ["off", mdiAlertCircleOutline],
  runner: ["bad", mdiClipboardOffOutline],
  storage: ["bad", mdiClipboardAlertOutline],
  offline: ["off", mdiCloudOffOutline],
  running: ["run", mdiClipboardPlayOutline],
  fetching: ["run", mdiClipboardClockOutline],
  approval: ["ask", mdiClipboardClockOutline],
  ended: ["ok", mdiClipboardCheckOutline],
  failed: ["bad", mdiClipboardAlertOutline],
  switched_off: ["off", mdiPauseCircleOutline],
  empty: ["run", mdiClipboardTextOutline],
  idle: ["ok", mdiClipboardCheckOutline],
};

export function headlineOf(told: Told, place: Place): Headline {
  const { kind, job } = told.situation;
  const [tone, icon] = LOOKS[kind];
  const calm = (kind === "ended" || kind === "idle") && (job ?? told.history[0])?.status !== "succeeded";
  return { tone: calm ? "off" : tone, icon, line: lineOf(told, place) };
}

/** Which step of how many, and how far that is, where it is known: while one is awaited, the next. */
export function progressOf(job: Job): { step: number; count: number; name: string; percent: number | null } {
  const current = job.steps.find((step) => step.status === "in_progress");
  const count = job.steps.length;
  const next = job.steps.find((step) => step.status === "pending");
  const shown = current ?? next ?? currentStep(job);
  return {
    step: shown?.step_index ?? Math.min(doneCount(job) + 1, count),
    count,
    name: shown?.step ?? "",
    percent: current?.percent ?? null,
  };
}

/** How far a job is, in words. */
export function progressWords(job: Job, text: Texts): string {
  const all = job.steps.length;
  if (doneCount(job) === all) {
    return text.get("progress_all", { count: all });
  }
  const { step, count, percent } = progressOf(job);
  return percent === null
    ? text.get("progress_step", { step, count })
    : text.get("progress_percent", { step, count, percent });
}

function lineOf(told: Told, place: Place): string {
  const { situation, thing, text, clock, now } = told;
  const { job } = situation;
  switch (situation.kind) {
    case "loading":
    case "removed":
      return "";
    case "no_access":
      return text.get("no_access");
    case "not_loaded":
      return text.get("unavailable");
    case "runner":
    case "storage":
      return text.get("jobs_wait");
    case "offline":
      return thing?.disconnected_since
        ? text.get("not_connected_since", {
            when: clock.short(new Date(thing.disconnected_since), now, text),
          })
        : text.get("not_connected");
    case "running":
      return job ? runningLine(job, told, place) : "";
    case "fetching":
      return text.get("approved_fetching");
    case "approval":
      return job ? approvalLine(job, told, place) : "";
    case "failed":
      return place === "compact" && job ? reasonOf(job, text) : pastLine(told, place);
    case "ended":
      return job?.status === "succeeded" && place === "full"
        ? text.get("succeeded_ago", { ago: agoOf(job, told), count: job.steps.length })
        : pastLine(told, place);
    case "switched_off":
      return text.get("takes_no_jobs");
    case "empty":
      return heldLine(told) ?? text.get("no_job_yet");
    case "idle":
      return heldLine(told) ?? pastLine(told, place);
  }
}

function runningLine(job: Job, told: Told, place: Place): string {
  const { thing, text } = told;
  if (thing?.holds.length && job.approved_at && job.steps.every((step) => step.status === "pending")) {
    return thing.holds.includes("backup") ? text.get("backup_is_made") : waitsLine(job.job_id, told);
  }
  if (!job.steps.length) {
    return text.get("running");
  }
  const { step, count, name } = progressOf(job);
  if (place !== "full") {
    return text.get("step_of_named", { step, count, name });
  }
  return thing?.connected === false
    ? text.get("running_offline")
    : text.get("running_step", { step, count });
}

function approvalLine(job: Job, { thing, text }: Told, place: Place): string {
  if (!thing?.may.administer) {
    return text.get("waits_for_admin");
  }
  const count = job.steps.length;
  return place === "row" && count
    ? text.get("waits_for_you_steps", { count })
    : text.get("waits_for_you");
}

/** Why no job is asked for, though nothing is wrong. */
function heldLine(told: Told): string | null {
  const { thing, text, clock, now } = told;
  if (thing?.waiting) {
    return waitsLine(thing.waiting.job_id, told);
  }
  if (thing?.holds.includes("backup")) {
    return text.get("backup_is_made");
  }
  if (thing?.holds.includes("window")) {
    if (thing.window) {
      const { start, end } = thing.window;
      return text.get("takes_jobs_between", { start: clock.ofDay(start), end: clock.ofDay(end) });
    }
    if (thing.next_window) {
      const when = clock.short(new Date(thing.next_window), now, text);
      return text.get("takes_jobs_from", { when });
    }
  }
  return null;
}

/** What AWS has in its queue until jobs are taken. */
function waitsLine(job: string, { thing, text, clock, now }: Told): string {
  return thing?.next_window
    ? text.get("job_waits_until", { job, when: clock.short(new Date(thing.next_window), now, text) })
    : text.get("job_waits", { job });
}

/** What became of the last job. */
function pastLine(told: Told, place: Place): string {
  const { situation, history, text, clock, now } = told;
  const last = situation.job ?? history[0];
  if (!last) {
    return text.get("idle_connected");
  }
  const status = last.status as Exclude<JobStatus, "in_progress" | "awaiting_approval">;
  if (place === "row") {
    const ended = last.ended_at ? clock.short(new Date(last.ended_at), now, text) : "";
    return ended ? text.get(`last_${status}`, { when: ended }) : resultOf(last, text);
  }
  const key: Key = place === "full" && last.ended_at ? `idle_${status}_ago` : `idle_${status}`;
  return text.get(key, { ago: agoOf(last, told) });
}

function agoOf(job: Job, { now, text, locale }: Told): string {
  return ago(secondsBetween(job.ended_at, now), text, locale);
}

/** What the plan of a waiting job comes to, in a caption. */
export function receivedLine(job: Job, steps: string | null, told: Told): string {
  const { now, text, locale } = told;
  const received = ago(secondsBetween(job.approval?.requested_at ?? null, now), text, locale);
  const words = steps ?? (job.steps.length ? stepCount(job.steps.length, text) : null);
  return words
    ? text.get("received_steps", { ago: received, steps: words })
    : text.get("received_ago", { ago: received });
}
