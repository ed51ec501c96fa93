/** What the integration's websocket commands say. Times are ISO 8601, lengths seconds. */

export type JobStatus =
  | "in_progress"
  | "awaiting_approval"
  | "succeeded"
  | "failed"
  | "rejected"
  | "timed_out"
  | "canceled"
  | "removed";

export type StepStatus =
  | "pending"
  | "in_progress"
  | "succeeded"
  | "failed"
  | "failure_ignored"
  | "stopped"
  | "skipped";

/** A change; the first of a subscription has all. */
export interface JobsMessage {
  thing?: Thing;
  job?: Job | null;
  steps?: Step[];
  history?: Job[];
  /** The server's time, where it says it. */
  now?: string;
}

export interface Thing {
  device_id: string;
  name: string;
  thing_name: string;
  entry_id: string;
  state: "loaded" | "not_loaded" | "removed";
  connected: boolean;
  error: string | null;
  disconnected_since: string | null;
  next_try_at: string | null;
  runner: { kind: "local" | "app" | "remote"; address: string | null; problem: Problem | null };
  holds: ("switched_off" | "window" | "backup")[];
  next_window: string | null;
  window: { start: string; end: string } | null;
  /** What AWS has in its queue while no job is taken, where that may be looked at. */
  waiting?: { job_id: string; steps: string[]; problem: string | null } | null;
  storage_problem: string | null;
  run_document: boolean;
  may: { control: boolean; administer: boolean };
  entities: Record<string, string>;
}

export interface Problem {
  kind: string;
  title: string;
  message: string;
}

export interface Step {
  step: string;
  step_index: number;
  status: StepStatus;
  reason: string;
  attempt: number;
  started_at: string | null;
  ended_at: string | null;
  duration: number | null;
  /** How much of it is done, where that is known while it runs. */
  percent: number | null;
  exit_status?: number | null;
}

/** Which execution of which job: an id can be used again. */
export interface JobKey {
  job_id: string;
  execution_number: number;
  queued_at?: number | null;
}

export interface Job extends JobKey {
  status: JobStatus;
  reason: string;
  started_at: string | null;
  ended_at: string | null;
  duration: number | null;
  approved_at: string | null;
  approval: { requested_at: string; expires_at: string } | null;
  failed_step: number | null;
  step_reason: string | null;
  advice: Advice | null;
  steps: Step[];
}

export interface Advice {
  kind:
    | "exit_status"
    | "handler_missing"
    | "user_unknown"
    | "step_time_limit"
    | "job_timer"
    | "document"
    | "restarted";
  subject: string | null;
}

export interface Plan {
  valid: boolean;
  problem: string | null;
  conditions_met: boolean;
  unmet_condition: string | null;
  unchecked: string | null;
  steps: PlannedStep[];
}

export interface PlannedStep {
  step: string;
  step_index: number;
  kind: "handler" | "command" | "home_assistant";
  command: string[];
  path: string | null;
  run_as_user: string;
  acts_as_root: boolean;
  timeout: number | null;
  problem: string | null;
}

export interface LogLine {
  n: number;
  step_index: number;
  attempt: number;
  stream: "stdout" | "stderr";
  at: string;
  text: string;
  dropped?: number;
  continues?: true;
}

export interface LogMessage {
  lines: LogLine[];
  number: number;
  subscription: number;
  ended?: true;
}

export interface LogPage {
  lines: LogLine[];
  steps: { step_index: number; step: string; dropped_bytes: number }[];
  number: number;
  more: boolean;
}

export function keyOf(job: JobKey): string {
  return `${job.job_id} ${job.execution_number} ${job.queued_at ?? ""}`;
}

export function hasEnded(job: Job): boolean {
  return job.status !== "in_progress" && job.status !== "awaiting_approval";
}

/** Whether its end wants to be read: it did not do what it should. */
export function hasFailed(job: Job): boolean {
  return (
    job.status === "failed" ||
    job.status === "timed_out" ||
    (job.status === "rejected" && job.advice?.kind === "document")
  );
}
