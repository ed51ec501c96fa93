/** One thing as the card knows it: what the server told, and what the user has chosen. */

import { Api } from "./api";
import { closedJob, closeJob } from "./closed";
import { type HomeAssistant, isCommandError, messageOf } from "./home-assistant";
import type { JobLog } from "./log/job-log";
import type { Reading } from "./log/pane";
import { bodyPart } from "./part";
import { type Job, type JobsMessage, keyOf, type Plan, type Step, type Thing } from "./model";
import { ServerClock } from "./server-clock";
import { type Access, type Situation, situationOf, staysOpen } from "./situation";
import { currentStep } from "./steps";

const RETRY_MS = 3000;
/** The answer was clear, but another one is possible later. */
const RETRY_REFUSED_MS = 30_000;

/** A job whose steps and output are open before the user. */
export class OpenJob {
  /** None until what reads logs is loaded. */
  log: JobLog | null = null;
  /** The place of the step that the user has chosen; none: the one that runs. */
  chosen: number | null = null;
  /** Which of the folds the user has opened. */
  unfolded = { before: false, after: false };
  readonly reading: Reading = { paused: "", drawn: 0 };

  constructor(
    readonly key: string,
    readonly job: Job,
    /** Whether its log is followed: it is not over. */
    readonly live: boolean,
  ) {}

  choose(step: number, current: number | undefined): void {
    this.chosen = step === current ? null : step;
    this.reading.paused = "";
    this.reading.drawn = 0;
  }
}

/** How the waiting job's plan stands. */
export interface PlanState {
  key: string;
  plan: Plan | null;
  error: string | null;
  /** Whether it is not the plan that the user has approved. */
  changed: boolean;
}

export class ThingStore {
  readonly api: Api;
  readonly clock = new ServerClock();
  access: Access = "loading";
  thing: Thing | null = null;
  job: Job | null = null;
  history: Job[] = [];
  plan: PlanState | null = null;
  /** The action that waits for its answer. */
  busy: string | null = null;
  /** What went wrong with the last action, in words. */
  problem: string | null = null;
  /** The job under way, or the one that has ended, with its log. */
  open: OpenJob | null = null;
  /** A job of the past that the user looks at. */
  row: OpenJob | null = null;
  historyOpen: boolean | null = null;
  allRows = false;
  readonly #changed: () => void;
  #kept: Job | null = null;
  #closed: string | null;
  #unsubscribe: (() => Promise<void>) | null = null;
  #turn = 0;

  constructor(
    readonly home: () => HomeAssistant,
    readonly deviceId: string,
    changed: () => void,
  ) {
    this.api = new Api(home, deviceId);
    this.#changed = changed;
    this.#closed = closedJob(deviceId);
  }

  get situation(): Situation {
    const kept = this.#kept;
    const last = kept ?? this.history[0];
    return situationOf({
      access: this.access,
      thing: this.thing,
      job: this.job,
      history: this.history,
      kept,
      closed: last !== undefined && keyOf(last) === this.#closed,
    });
  }

  now(): Date {
    return this.clock.now(Date.now());
  }

  /** Subscribes to the thing, and to its log again, until `stop`. */
  async start(): Promise<void> {
    this.#turn += 1;
    const turn = this.#turn;
    let first = true;
    try {
      const unsubscribe = await this.api.subscribeJobs((message) => {
        if (turn === this.#turn) {
          this.#take(message, first);
          first = false;
        }
      });
      if (turn === this.#turn) {
        this.#unsubscribe = unsubscribe;
      } else {
        unsubscribe().catch(ignore);
      }
    } catch (error) {
      if (turn === this.#turn) {
        this.#refused(error, turn);
      }
    }
  }

  /** After the connection to Home Assistant was lost. */
  reconnect(): void {
    this.#unsubscribe = null;
    void this.start();
    this.open?.log?.reconnect();
  }

  stop(): void {
    this.#turn += 1;
    this.#unsubscribe?.().catch(ignore);
    this.#unsubscribe = null;
    this.open?.log?.stop();
    this.row?.log?.stop();
    this.open = this.row = null;
  }

  /** Does what a button says, which is busy meanwhile. Returns whether it worked. */
  async act(name: string, deed: () => Promise<unknown>): Promise<boolean> {
    if (this.busy) {
      return false;
    }
    this.busy = name;
    this.problem = null;
    this.#changed();
    try {
      await deed();
      return true;
    } catch (error) {
      this.problem = messageOf(error);
      return false;
    } finally {
      this.busy = null;
      this.#changed();
    }
  }

  /** Puts the ended job away. */
  close(job: Job): void {
    this.#closed = keyOf(job);
    closeJob(this.deviceId, this.#closed);
    this.#kept = null;
    this.problem = null;
    this.#settle();
    this.#changed();
  }

  toggleRow(job: Job): void {
    const key = keyOf(job);
    const before = this.row;
    before?.log?.stop();
    this.row = before?.key === key ? null : new OpenJob(key, job, false);
    this.#readLogs();
    this.#changed();
  }

  #take(message: JobsMessage, first: boolean): void {
    this.access = "ready";
    const before = this.job;
    if (message.thing) {
      this.thing = message.thing;
    }
    if (message.history) {
      this.history = message.history;
    }
    if (message.job !== undefined) {
      this.job = message.job;
    }
    if (message.steps && this.job) {
      this.job = { ...this.job, steps: withSteps(this.job.steps, message.steps) };
    }
    this.#keepTime(message, before, first);
    this.#follow(before);
    this.#settle();
    this.#changed();
  }

  /** Keeps the job that has ended just now in sight, and forgets it for the next. */
  #follow(before: Job | null): void {
    if (this.job) {
      this.#kept = null;
      if (before && keyOf(before) !== keyOf(this.job)) {
        this.problem = null;
      }
      return;
    }
    const ended = before && this.history.find((job) => keyOf(job) === keyOf(before));
    if (ended && staysOpen(ended)) {
      this.#kept = ended;
    }
  }

  /** Opens the log and the plan of what is shown, and no others. */
  #settle(): void {
    const { kind, job } = this.situation;
    const key = job && keyOf(job);
    if (this.open && this.open.key !== key) {
      this.open.log?.stop();
      this.open = null;
    }
    if (job && key && !this.open && kind !== "approval" && kind !== "fetching") {
      this.open = new OpenJob(key, job, job === this.job);
    }
    this.#readLogs();
    this.#settlePlan(kind === "approval" || kind === "fetching" ? job : null);
  }

  /** Has the output of what is shown come, with what reads it. */
  #readLogs(): void {
    for (const open of [this.open, this.row]) {
      const part = open && bodyPart.use(() => { this.#settle(); this.#changed(); });
      if (part && !open.log) {
        open.log = new part.JobLog(this.api, open.job);
        if (open.live) {
          void open.log.follow();
        }
      }
      const job = this.situation.job;
      const shown = open && (open.chosen ?? currentStep(job && keyOf(job) === open.key ? job : open.job)?.step_index);
      if (shown) {
        void open.log?.need(shown);
      }
    }
  }

  #settlePlan(job: Job | null): void {
    if (!job || !this.thing?.may.administer) {
      this.plan = null;
      return;
    }
    // Approved, it waits for the same document; when it asks again, that is another one.
    const key = `${keyOf(job)} ${job.approval?.requested_at ?? ""}`;
    const before = this.plan;
    if (before?.key === key || (before && !job.approval)) {
      return;
    }
    const changed = before?.key.startsWith(`${keyOf(job)} `) ?? false;
    this.plan = { key, plan: changed ? null : (before?.plan ?? null), error: null, changed };
    void this.#readPlan(job, this.plan);
  }

  async #readPlan(job: Job, state: PlanState): Promise<void> {
    try {
      state.plan = await this.api.plan(job.job_id);
    } catch (error) {
      state.error = messageOf(error);
    }
    this.#changed();
  }

  #keepTime(message: JobsMessage, before: Job | null, first: boolean): void {
    const browser = Date.now();
    if (message.now) {
      this.clock.isNow(message.now, browser);
      return;
    }
    const moments = [this.job?.started_at, ...(this.job?.steps ?? []).map(lastMoment)];
    for (const moment of [...moments, this.history[0]?.ended_at]) {
      this.clock.hasBeen(moment ?? null, browser);
    }
    // What has changed since the last message has happened just now.
    const earlier = new Set((before?.steps ?? []).map(lastMoment));
    const news = first ? [] : (message.steps ?? message.job?.steps ?? []).map(lastMoment);
    const newest = news.filter((moment) => moment && !earlier.has(moment)).sort().at(-1);
    if (newest) {
      this.clock.isNow(newest, browser);
    }
  }

  #refused(error: unknown, turn: number): void {
    const code = isCommandError(error) ? error.code : "";
    if (code === "unauthorized") {
      this.access = "unauthorized";
    } else if (code === "not_found") {
      this.access = "removed";
    }
    // While Home Assistant starts, nothing answers yet.
    const wait = this.access === "unauthorized" || this.access === "removed" ? RETRY_REFUSED_MS : RETRY_MS;
    setTimeout(() => {
      if (turn === this.#turn) {
        void this.start();
      }
    }, wait);
    this.#changed();
  }
}

/** Steps with some replaced, by their places. */
export function withSteps(steps: readonly Step[], changed: readonly Step[]): Step[] {
  const byIndex = new Map(changed.map((step) => [step.step_index, step]));
  const known = steps.map((step) => byIndex.get(step.step_index) ?? step);
  const indexes = new Set(steps.map((step) => step.step_index));
  return [...known, ...changed.filter((step) => !indexes.has(step.step_index))];
}

function lastMoment(step: Step): string | null {
  return step.ended_at ?? step.started_at;
}

function ignore(): void {
  // The connection it ran over has ended.
}
