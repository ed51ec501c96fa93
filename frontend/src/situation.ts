/** What is the matter with a thing: the one that the card's body is about. */

import { hasEnded, hasFailed, type Job, type Thing } from "./model";

export type Access = "loading" | "unauthorized" | "removed" | "ready";

export type Kind =
  | "loading"
  | "no_access"
  | "removed"
  | "not_loaded"
  | "runner"
  | "storage"
  | "offline"
  | "running"
  | "fetching"
  | "approval"
  | "ended"
  | "failed"
  | "switched_off"
  | "empty"
  | "idle";

export interface Known {
  access: Access;
  thing: Thing | null;
  job: Job | null;
  history: readonly Job[];
  /** The job that ended before the user's eyes, until it is closed. */
  kept: Job | null;
  /** Whether the user has closed the last job. */
  closed: boolean;
}

export interface Situation {
  kind: Kind;
  /** The job that the body shows. */
  job: Job | null;
}

/** The first that holds, in the order of what a user must know first. */
export function situationOf(known: Known): Situation {
  const { access, thing, job, kept } = known;
  const at = (kind: Kind, shown: Job | null = null): Situation => ({ kind, job: shown });
  if (access === "unauthorized") {
    return at("no_access");
  }
  if (access === "removed" || thing?.state === "removed") {
    return at("removed");
  }
  if (!thing) {
    return at("loading");
  }
  if (thing.state === "not_loaded") {
    return at("not_loaded");
  }
  if (thing.runner.problem) {
    return at("runner", job);
  }
  if (thing.storage_problem !== null) {
    return at("storage", job);
  }
  if (!thing.connected && !job) {
    return at("offline");
  }
  if (job) {
    return at(kindOf(job), job);
  }
  const last = known.history[0] ?? null;
  if (kept && !known.closed) {
    return at(hasFailed(kept) ? "failed" : "ended", kept);
  }
  if (last && hasFailed(last) && !known.closed) {
    return at("failed", last);
  }
  if (thing.holds.includes("switched_off")) {
    return at("switched_off");
  }
  return at(last ? "idle" : "empty");
}

function kindOf(job: Job): Kind {
  if (job.status === "awaiting_approval") {
    return job.approved_at ? "fetching" : "approval";
  }
  const begun = job.steps.some((step) => step.status !== "pending");
  return job.approved_at && !job.started_at && !begun ? "fetching" : "running";
}

/** Whether a job that has just ended stays open: there is something of it to be seen. */
export function staysOpen(job: Job): boolean {
  return hasEnded(job) && (hasFailed(job) || job.steps.some((step) => step.started_at !== null));
}

/** The order of several things: who wants something comes first. */
const RANKS: readonly (readonly Kind[])[] = [
  ["approval"],
  ["running", "fetching"],
  ["failed", "runner", "storage"],
  ["offline", "not_loaded"],
];
/** Of the first two ranks, one is open without being asked for. */
const OPEN_BY_ITSELF = 2;

export function rankOf(kind: Kind): number {
  const rank = RANKS.findIndex((kinds) => kinds.includes(kind));
  return rank < 0 ? RANKS.length : rank;
}

export function opensByItself(kind: Kind): boolean {
  return rankOf(kind) < OPEN_BY_ITSELF;
}
