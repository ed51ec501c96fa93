import { expect, test } from "vitest";

import { quoted, splitPath } from "../src/argv";
import { newsOf } from "../src/announcer";
import { cutId } from "../src/id";
import type { PlannedStep } from "../src/model";
import { languageFor, Texts } from "../src/text";
import { withSteps } from "../src/thing";
import { adviceOf, placeOf, planSize, reasonOf, resultOf } from "../src/words";
import { failedJob, job, step, TEXT } from "./samples";

test("an id is cut at a hyphen, and its end stays", () => {
  expect(cutId("update-theme-42")).toEqual(["update-theme-42", ""]);
  expect(cutId("fleet-eu-central-1-zigbee-firmware-wave-03-b1f9")).toEqual(["fleet-eu-central-1-zigbee-firmware-wave", "-03-b1f9"]);
  expect(cutId("0123456789abcdef0123456789abcdef")).toEqual(["0123456789abcdef01234567", "89abcdef"]);
});

test("the reason is a sentence, the same everywhere", () => {
  expect(reasonOf(failedJob(), TEXT)).toBe("Step-2 failed: exit status 1");
  expect(reasonOf(failedJob({ failed_step: null, reason: "invalid job document: steps: required" }), TEXT)).toBe("Invalid job document: steps: required");
  expect(resultOf(failedJob(), TEXT)).toBe("Step-2 failed: exit status 1");
});

test("results of jobs", () => {
  expect(resultOf(job({ status: "succeeded" }), TEXT)).toBe("3 steps");
  expect(resultOf(job({ status: "timed_out", duration: 1800, failed_step: 2 }), TEXT)).toBe("Timed out after 30 min in step 2");
  expect(resultOf(job({ status: "rejected", step_reason: "not while guests are here" }), TEXT)).toBe("Rejected: “not while guests are here”");
  expect(resultOf(job({ status: "rejected" }), TEXT)).toBe("Rejected");
  expect(resultOf(job({ status: "canceled" }), TEXT)).toBe("Canceled in AWS");
});

test("where it failed, and what became of the rest", () => {
  expect(placeOf(failedJob(), TEXT)).toBe("Step 2 of 3. The steps after it were not run.");
  expect(placeOf(failedJob({ failed_step: 3 }), TEXT)).toBe("Step 3 of 3.");
  expect(placeOf(failedJob({ failed_step: null }), TEXT)).toBeNull();
});

test("what to do has its subject", () => {
  expect(adviceOf(failedJob({ advice: { kind: "user_unknown", subject: "carla" } }), TEXT)).toBe("There is no user carla here. Change runAsUser in the document.");
  expect(adviceOf(failedJob({ advice: null }), TEXT)).toBeNull();
});

test("a plan says how many of its steps are commands", () => {
  const plan = (...kinds: PlannedStep["kind"][]) => ({
    valid: true, problem: null, conditions_met: true, unmet_condition: null, unchecked: null,
    steps: kinds.map((kind, index) => ({ step: "", step_index: index + 1, kind, command: [], path: null, run_as_user: "", acts_as_root: false, timeout: null, problem: null })),
  });
  expect(planSize(plan("handler"), TEXT)).toBe("1 step");
  expect(planSize(plan("home_assistant", "home_assistant"), TEXT)).toBe("2 steps");
  expect(planSize(plan("command"), TEXT)).toBe("1 step, a command from AWS");
  expect(planSize(plan("handler", "handler", "command"), TEXT)).toBe("3 steps, one of them a command from AWS");
  expect(planSize(plan("command", "command", "handler"), TEXT)).toBe("3 steps, 2 of them commands from AWS");
});

test("an argument is seen as one", () => {
  expect(["", "zigbee2mqtt", "packages installed", "it's", "/a/b.sh", "a;b"].map(quoted)).toEqual(["''", "zigbee2mqtt", "'packages installed'", String.raw`'it'\''s'`, "/a/b.sh", "'a;b'"]);
  expect(splitPath("/config/handlers/stop.sh")).toEqual(["/config/handlers/", "stop.sh"]);
});

test("texts have plurals and numbers of their language", () => {
  const polish = new Texts({ steps_done: { one: "{count} krok", few: "{count} kroki", many: "{count} kroków" } }, "pl");
  expect([1, 2, 5].map((count) => polish.get("steps_done", { count }))).toEqual(["1 krok", "2 kroki", "5 kroków"]);
  expect(new Texts({ running: "{n}" }, "de").get("running", { n: 12_345 })).toBe("12.345");
});

test.each([
  ["de", "de"],
  ["de-CH", "de"],
  ["pt", "pt-BR"],
  ["zh-Hans", "zh-Hans"],
  ["en-GB", "en"],
  ["he", "en"],
])("a user of %s reads %s", (wanted, language) => {
  expect(languageFor(wanted)).toBe(language);
});

test("changed steps take their places", () => {
  const steps = [step(1, "in_progress"), step(2, "pending")];
  const changed = withSteps(steps, [step(1, "succeeded"), step(3, "pending")]);
  expect(changed.map(({ step_index, status }) => [step_index, status])).toEqual([[1, "succeeded"], [2, "pending"], [3, "pending"]]);
});

test("a screen reader is told the news", () => {
  const before = job();
  const later = job({ steps: [step(1, "succeeded"), step(2, "succeeded"), step(3, "in_progress")] });
  expect(newsOf(null, job(), null, TEXT)).toEqual({ words: "Job update-7 has started", step: false });
  expect(newsOf(before, later, null, TEXT)).toEqual({ words: "Step 3 of 3: Step-3", step: true });
  expect(newsOf(before, before, null, TEXT)).toBeNull();
  expect(newsOf(before, null, failedJob(), TEXT)?.words).toBe("Job update-7: Step-2 failed: exit status 1");
  expect(newsOf(null, job({ status: "awaiting_approval" }), null, TEXT)?.words).toBe("Job update-7 waits for approval");
});
