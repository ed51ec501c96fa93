import { expect, test } from "vitest";

import { headlineOf, type Place } from "../src/headline";
import type { Job, Thing } from "../src/model";
import { type Access, opensByItself, rankOf, situationOf, staysOpen } from "../src/situation";
import { Clock } from "../src/time";
import { at, failedJob, job, NOW, step, TEXT, thing } from "./samples";

interface Setting {
  access?: Access;
  thing?: Thing | null;
  job?: Job | null;
  history?: Job[];
  kept?: Job | null;
  closed?: boolean;
}

const LOCALE = { language: "en-GB", time_format: "24", time_zone: "server" } as const;
const succeeded = job({ status: "succeeded", ended_at: at(32 * 60), duration: 161, steps: [step(1, "succeeded")] });
const problem = { kind: "app_unreachable", title: "", message: "" };
const gone = thing({ runner: { kind: "app", address: null, problem } });
const offline = thing({ connected: false, disconnected_since: "2026-11-25T10:02:00Z" });
const waiting = job({ status: "awaiting_approval", approval: { requested_at: at(240), expires_at: at(-60) } });

function situation(setting: Setting) {
  return situationOf({
    access: "ready",
    thing: thing(),
    job: null,
    history: [],
    kept: null,
    closed: false,
    ...setting,
  });
}

function headline(setting: Setting, place: Place = "full") {
  const told = {
    situation: situation(setting),
    thing: setting.thing === undefined ? thing() : setting.thing,
    history: setting.history ?? [],
    now: NOW,
    text: TEXT,
    clock: new Clock(LOCALE, "UTC"),
    locale: LOCALE,
  };
  return headlineOf(told, place);
}

test.each<[string, Setting]>([
  ["loading", { thing: null, access: "loading" }],
  ["no_access", { access: "unauthorized", thing: null }],
  ["removed", { access: "removed", job: job() }],
  ["removed", { thing: thing({ state: "removed" }), history: [failedJob()] }],
  ["not_loaded", { thing: { ...gone, state: "not_loaded" }, job: job() }],
  ["runner", { thing: { ...gone, connected: false }, job: job() }],
  ["storage", { thing: { ...offline, storage_problem: "no space" } }],
  ["offline", { thing: offline, history: [failedJob()] }],
  ["running", { thing: offline, job: job() }],
  ["approval", { job: waiting, history: [failedJob()] }],
  ["fetching", { job: { ...waiting, approved_at: at(1) } }],
  ["ended", { kept: succeeded, history: [succeeded], thing: thing({ holds: ["switched_off"] }) }],
  ["failed", { history: [failedJob()], thing: thing({ holds: ["switched_off"] }) }],
  ["switched_off", { history: [failedJob()], closed: true, thing: thing({ holds: ["switched_off"] }) }],
  ["empty", {}],
  ["idle", { history: [succeeded] }],
  ["idle", { history: [failedJob()], closed: true }],
])("it is %s", (kind, setting) => {
  expect(situation(setting).kind).toBe(kind);
});

test.each<[string, Setting]>([
  ["Idle · last job succeeded 32 min ago", { history: [succeeded] }],
  ["Connected · no job yet", {}],
  ["Running · step 2 of 3", { job: job() }],
  ["Running · AWS cannot be reached", { thing: offline, job: job() }],
  ["Approved · getting the document again", { job: { ...waiting, approved_at: at(1) } }],
  ["Succeeded just now · 1 step", { kept: { ...succeeded, ended_at: at(2) } }],
  ["Idle · last job failed 4 min ago", { history: [failedJob()] }],
  ["Waiting for your approval", { job: waiting }],
  ["Waiting for an administrator", { job: waiting, thing: thing({ may: { control: true, administer: false } }) }],
  ["Not connected · since 10:02", { thing: offline }],
  ["Connected · jobs wait", { thing: gone }],
  ["Connected · takes no jobs", { thing: thing({ holds: ["switched_off"] }) }],
  ["Idle · takes jobs from 02:00 to 05:00", { thing: thing({ holds: ["window"], window: { start: "02:00:00", end: "05:00:00" } }), history: [succeeded] }],
  ["Waiting · a backup is being made", { thing: thing({ holds: ["backup"] }), history: [succeeded] }],
  ["Unavailable", { thing: thing({ state: "not_loaded" }) }],
  ["No access", { access: "unauthorized", thing: null }],
])("the head says %j", (line, setting) => {
  expect(headline(setting).line).toBe(line);
});

test.each<[string, Place, Setting]>([
  ["Step 2 of 3 · Step-2", "compact", { job: job() }],
  ["Step-2 failed: exit status 1", "compact", { history: [failedJob()] }],
  ["Idle · last job succeeded", "compact", { history: [succeeded] }],
  ["Last job failed · 11:56", "row", { history: [failedJob()] }],
  ["Last job succeeded · 11:28", "row", { history: [succeeded] }],
  ["Waiting for your approval · 3 steps", "row", { job: waiting }],
])("where room is scarce it says %j", (line, place, setting) => {
  expect(headline(setting, place).line).toBe(line);
});

test("one colour, one meaning", () => {
  expect(headline({ job: job() }).tone).toBe("run");
  expect(headline({ history: [succeeded] }).tone).toBe("ok");
  expect(headline({ history: [failedJob()] }).tone).toBe("bad");
  expect(headline({ history: [failedJob()], closed: true }).tone).toBe("off");
  expect(headline({ job: waiting }).tone).toBe("ask");
  expect(headline({ thing: offline }).tone).toBe("off");
});

test("what has been seen stays open when it ends, what has not does not", () => {
  expect(staysOpen(succeeded)).toBe(true);
  expect(staysOpen(job({ status: "rejected", steps: [step(1, "skipped")] }))).toBe(false);
  expect(staysOpen(job())).toBe(false);
});

test("of several things, who wants something comes first, and is open", () => {
  expect((["idle", "offline", "failed", "running", "approval"] as const).map(rankOf)).toEqual([4, 3, 2, 1, 0]);
  expect([opensByItself("approval"), opensByItself("running"), opensByItself("failed")]).toEqual([true, true, false]);
});

test("what waits in AWS is named while no job is taken", () => {
  const waiting = { job_id: "job-7", steps: ["Fetch"], problem: null };
  const held = thing({ holds: ["window"], waiting });
  expect(headline({ thing: held }).line).toBe("Job job-7 waits in AWS");
  const next_window = new Date(NOW.getTime() + 3_600_000).toISOString();
  expect(headline({ thing: { ...held, next_window } }).line).toMatch(/^Job job-7 waits until /);
});

test("what is approved while no job is taken is not said to run", () => {
  const steps = [step(1, "pending"), step(2, "pending")];
  const approved = job({ approved_at: at(1), steps });
  const line = (holds: Thing["holds"]) => headline({ job: approved, thing: thing({ holds }) }).line;
  expect(line(["switched_off"])).toBe(`Job ${approved.job_id} waits in AWS`);
  expect(line(["backup", "window"])).toBe("Waiting · a backup is being made");
  expect(line([])).toMatch(/^Running/);
});
