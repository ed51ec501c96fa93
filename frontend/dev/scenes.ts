/** Every state that the card knows, with the data that it would have then. */

import type { Job, JobStatus, LogLine, Plan, PlannedStep, Step, StepStatus, Thing } from "../src/model";
import { thing as sample } from "../test/samples";
import type { Scene } from "./home";

const NOW = Date.now();
const at = (secondsAgo: number) => new Date(NOW - secondsAgo * 1000).toISOString();
const DAY = 86_400;

function thing(name = "demo-home", changes: Partial<Thing> = {}): Thing {
  return sample({
    device_id: name,
    name,
    thing_name: name,
    run_document: true,
    entities: { take_jobs: "switch.demo_home_take_jobs" },
    ...changes,
  });
}

const STATUS: Record<string, StepStatus> = {
  done: "succeeded",
  run: "in_progress",
  wait: "pending",
  failed: "failed",
  ignored: "failure_ignored",
  skipped: "skipped",
};

type ShortStep = [name: string, state: string, seconds?: number, percent?: number];

function steps(short: ShortStep[]): Step[] {
  return short.map(([step, state, seconds, percent], index) => ({
    step,
    step_index: index + 1,
    status: STATUS[state] ?? "pending",
    reason: "",
    attempt: 1,
    started_at: seconds === undefined ? null : at(seconds),
    ended_at: seconds === undefined || state === "run" ? null : at(0),
    duration: state === "run" ? null : (seconds ?? null),
    percent: percent ?? null,
    ...(state === "failed" ? { exit_status: 1 } : {}),
  }));
}

function job(id: string, status: JobStatus, endedAgo: number | null, seconds: number | null, changes: Partial<Job> = {}): Job {
  return {
    job_id: id,
    execution_number: 1,
    status,
    reason: "",
    started_at: seconds === null ? null : at((endedAgo ?? 0) + seconds),
    ended_at: endedAgo === null ? null : at(endedAgo),
    duration: endedAgo === null ? null : seconds,
    approved_at: null,
    approval: null,
    failed_step: null,
    step_reason: null,
    advice: null,
    steps: [],
    ...changes,
  };
}

const RUN: ShortStep[] = [["Back-Up-Settings", "done", 12], ["Download-Firmware", "done", 31], ["Flash-Coordinator", "run", 41], ["Restart-Zigbee", "wait"], ["Check-Network", "wait"]];
const FIRMWARE_DONE: ShortStep[] = [["Back-Up-Settings", "done", 12], ["Download-Firmware", "done", 31], ["Flash-Coordinator", "done", 66], ["Restart-Zigbee", "ignored", 9], ["Check-Network", "done", 43]];
const FAIL: ShortStep[] = [["Fetch-Theme", "done", 3], ["Check-Configuration", "failed", 11], ["Apply-Theme", "skipped"], ["Clean-Up", "skipped"]];
const UPDATE: ShortStep[] = [["Back-Up", "done", 95], ["Update-Core", "run", 131, 40], ["Check", "wait"]];
const LONG_ID = "fleet-eu-central-1-zigbee-coordinator-firmware-7.4.5-wave-03-b1f9";

const failed = (endedAgo: number) =>
  job("update-theme-42", "failed", endedAgo, 14, {
    steps: steps(FAIL),
    failed_step: 2,
    reason: "step 2 of 4 Check-Configuration: exit status 1",
    step_reason: "exit status 1",
    advice: { kind: "exit_status", subject: null },
  });

const history = (): Job[] => [
  job("zigbee-firmware-7.4.5", "succeeded", 32 * 60, 161, { steps: steps(FIRMWARE_DONE) }),
  job("nightly-check-2026-11-25", "succeeded", 0.3 * DAY, 4, { steps: steps([["Check", "done", 4]]) }),
  failed(DAY),
  job("backup-to-s3-0091", "timed_out", 1.1 * DAY, 1800, { steps: steps([["Pack", "done", 40], ["Upload", "failed", 1760]]), failed_step: 2, reason: "timed out in AWS IoT Jobs", advice: { kind: "job_timer", subject: null } }),
  job("restart-everything", "rejected", 2 * DAY, null, { step_reason: "not while guests are here" }),
  job(LONG_ID, "succeeded", 3 * DAY, 1080, { steps: steps(FIRMWARE_DONE) }),
  ...Array.from({ length: 14 }, (_, index) =>
    job(`nightly-check-${index}`, index === 4 ? "canceled" : index === 9 ? "removed" : "succeeded", (4 + index) * DAY, 3 + ((index * 7) % 60), { steps: steps([["Check", "done", 4]]) }),
  ),
];

const written = (step: number, lines: string[], from = 0): LogLine[] =>
  lines.map((text, index) => ({ n: from + index + 1, step_index: step, attempt: 1, stream: "stdout", at: at(60 - index), text }));

const FLASH = written(3, [
  "\x1b[2m$ flash-coordinator.sh /dev/ttyUSB0\x1b[0m",
  "Bootloader 2.4.1 found, 512 KiB flash",
  "Erasing 128 sectors … \x1b[32mok\x1b[0m",
  "Writing   64 KiB of 256 KiB",
  "Writing   96 KiB of 256 KiB",
  "\x1b[33mwarning: sector 31 needed a second try\x1b[0m",
  "Writing  128 KiB of 256 KiB",
  "  0%\r 50%\r\x1b[KWriting  160 KiB of 256 KiB",
  "Writing  176 KiB of 256 KiB",
]);
const FAIL_LOG = [
  ...written(1, ["GET https://example.com/themes/winter.yaml", "\x1b[32m200\x1b[0m, 2,114 bytes", "Saved as themes/winter.yaml"]),
  ...written(2, ["Testing configuration at /config", "\x1b[31mFailed config\x1b[0m", "  \x1b[33mfrontend:\x1b[0m", "    \x1b[31m- Invalid value at configuration.yaml, line 14:\x1b[0m", "      \x1b[31mexpected a mapping for 'themes->winter', got None\x1b[0m", "", "Successful config (partial)", "  \x1b[32mhomeassistant:\x1b[0m 4 keys, \x1b[32mlogger:\x1b[0m 2 keys", "\x1b[90mexit status 1\x1b[0m"], 3),
];

const PLAN: Plan = {
  valid: true,
  problem: null,
  conditions_met: true,
  unmet_condition: null,
  unchecked: null,
  steps: [
    planned(1, "Stop-Services", "handler", ["/config/aws_iot_jobs/handlers/stop-services.sh", "", "zigbee2mqtt"]),
    { ...planned(2, "Install-Packages", "handler", ["/config/aws_iot_jobs/handlers/install-packages.sh", "root", "jq", "mosquitto-clients"]), acts_as_root: true, run_as_user: "root", timeout: 600 },
    { ...planned(3, "Restart-Later", "command", ["shutdown", "-r", "+1", "packages installed"]), run_as_user: "root", acts_as_root: true },
  ],
};

const UPDATE_PLAN: Plan = {
  ...PLAN,
  steps: [
    { ...planned(1, "Back-Up", "home_assistant", ["createBackup", "before 2026.10.4"]), timeout: 3600 },
    { ...planned(2, "Update-Core", "home_assistant", ["updateHomeAssistant", "core", "2026.10.4"]), timeout: 3600 },
    { ...planned(3, "Check", "home_assistant", ["checkHomeAssistant", "2026.10.4", "entries", "recorder"]), timeout: 360 },
  ],
};

function planned(index: number, step: string, kind: PlannedStep["kind"], command: string[]) {
  return { step, step_index: index, kind, command, path: command[0] ?? null, run_as_user: "", acts_as_root: false, timeout: null, problem: null };
}

const running = (id = "zigbee-firmware-7.4.5") => job(id, "in_progress", null, 84, { steps: steps(RUN) });
const waiting = () =>
  job("install-packages-2026-11", "awaiting_approval", null, null, {
    approval: { requested_at: at(240), expires_at: at(-86_160) },
    steps: steps([["Stop-Services", "wait"], ["Install-Packages", "wait"], ["Restart-Later", "wait"]]),
  });
const one = (told: object): Scene["things"] => ({ "demo-home": { thing: thing(), job: null, history: history(), ...told } });
const writing = (n: number): LogLine => ({ n, step_index: 3, attempt: 1, stream: "stdout", at: at(0), text: `Writing  ${(n * 4) % 256} KiB of 256 KiB` });

export const SCENES: Record<string, Scene & { config?: object; width?: number; direction?: string }> = {
  idle: { things: one({}) },
  running: { things: one({ job: running() }), log: FLASH, live: writing },
  updating: { things: one({ job: job("patch-2026-10-4", "in_progress", null, 226, { steps: steps(UPDATE) }) }), log: written(2, ["Home Assistant 2026.10.3 is installed, 2026.10.4 is wanted", "40 %"]) },
  failed: { things: one({ history: [failed(240), ...history()] }), log: FAIL_LOG },
  approval: { things: one({ job: waiting() }), plan: PLAN },
  approval_update: { things: one({ job: waiting() }), plan: UPDATE_PLAN },
  viewer: { things: one({ thing: thing("demo-home", { may: { control: false, administer: false }, run_document: false }), job: waiting() }), admin: false },
  fetching: { things: one({ job: { ...waiting(), approved_at: at(1) } }), plan: PLAN },
  faults: {
    things: one({ job: waiting() }),
    plan: { ...PLAN, steps: PLAN.steps.map((step, index) => ({ ...step, problem: [null, "There is no user carla here", "This handler is not here: the step would fail"][index] ?? null })) },
  },
  unmet: { things: one({ job: waiting() }), plan: { ...PLAN, conditions_met: false, unmet_condition: "os is linux, not windows" } },
  several: {
    things: {
      "holiday-house": { thing: thing("holiday-house"), job: null, history: [failed(DAY)] },
      parents: { thing: thing("parents"), job: null, history: history() },
      "demo-home": { thing: thing(), job: running(), history: history() },
      "garage-gateway": { thing: thing("garage-gateway"), job: waiting(), history: history() },
      "workshop-pi": { thing: thing("workshop-pi", { connected: false, disconnected_since: at(4000) }), job: null, history: history() },
    },
    plan: PLAN,
    log: FLASH,
    live: writing,
    config: {},
  },
  offline: { things: one({ thing: thing("demo-home", { connected: false, disconnected_since: at(4000), next_try_at: at(-40), error: null }) }) },
  offline_running: { things: one({ thing: thing("demo-home", { connected: false, disconnected_since: at(40) }), job: running() }), log: FLASH },
  runner: { things: one({ thing: thing("demo-home", { runner: { kind: "app", address: "local-aws-iot-jobs", problem: { kind: "app_unreachable", title: "The app that runs handlers does not answer", message: "…" } } }) }) },
  token: { things: one({ thing: thing("demo-home", { runner: { kind: "remote", address: "runner.lan:8099", problem: { kind: "runner_token_refused", title: "The runner does not accept the token of demo-home", message: "Jobs wait. Reconfigure the thing, and enter the token that the runner has now." } } }) }) },
  storage: { things: one({ thing: thing("demo-home", { storage_problem: "The journal cannot be written: no space left on device. No job is taken until it can be." }) }) },
  paused: { things: one({ thing: thing("demo-home", { holds: ["switched_off"] }) }) },
  window: { things: one({ thing: thing("demo-home", { holds: ["window"], window: { start: "02:00:00", end: "05:00:00" } }) }) },
  unavailable: { things: one({ thing: thing("demo-home", { state: "not_loaded" }) }) },
  empty: { things: one({ history: [] }) },
  no_access: { things: one({}), refuse: { code: "unauthorized", message: "" } },
  removed: { things: one({}), refuse: { code: "not_found", message: "" } },
  no_thing: { things: {}, config: {} },
  invalid: { things: one({ history: [job("hello", "rejected", 60, null, { reason: "invalid job document: steps[0].action.type: must be \"runHandler\" or \"runCommand\", not \"runScript\"", advice: { kind: "document", subject: "steps[0].action.type" } }), ...history()] }) },
  many: {
    things: one({ job: job(LONG_ID, "in_progress", null, 4211, { steps: steps([...Array.from({ length: 12 }, (_, index): ShortStep => [`Prepare-${index}`, "done", 13]), ["Pull-Image-13", "done", 4], ["Verify-Image-14", "ignored", 7], ["A-Name-Longer-Than-The-Card-Is-Wide-For-Migrating-The-Recorder-Database", "run", 318], ...Array.from({ length: 9 }, (_, index): ShortStep => [`Restart-${index}`, "wait"])]) }) }),
    log: written(15, ["Schema 52 found, 53 wanted", "Writing  batch 130 of 311"]),
  },
  narrow: { things: one({ job: running(LONG_ID) }), log: FLASH, live: writing, width: 320 },
  wide: { things: one({ job: running() }), log: FLASH, live: writing, width: 920 },
  german: { things: one({ job: running() }), log: FLASH, live: writing, language: "de" },
  german_failed: { things: one({ history: [failed(240), ...history()] }), log: FAIL_LOG, language: "de" },
  rtl: { things: one({ job: running() }), log: FLASH, live: writing, direction: "rtl" },
  compact: { things: one({ job: running() }), log: FLASH, live: writing, config: { mode: "compact" } },
  compact_failed: { things: one({ history: [failed(240)] }), log: FAIL_LOG, config: { mode: "compact" } },
  flood: {
    things: one({ job: running() }),
    live: (n) => ({ ...writing(n), text: `line ${n} \x1b[3${n % 8}mof a flood of output that is longer than the card is wide\x1b[0m` }),
    liveMs: 100,
    liveLines: 500,
  },
};
