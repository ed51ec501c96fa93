import { expect, test } from "vitest";

import { progressWords } from "../src/headline";
import { barStyle, currentStep, doneCount, shareOf, shownRows, stateOf, wordOf } from "../src/steps";
import { barHeight, stripOf } from "../src/strip";
import { failedJob, job, NOW, step, TEXT } from "./samples";

test("up to eight steps are all shown", () => {
  expect(shownRows(8, 5)).toEqual([0, 8]);
});

test.each([
  [9, 0, [0, 6]],
  [24, 3, [0, 6]],
  [24, 4, [2, 7]],
  [24, 14, [12, 17]],
  [24, 20, [18, 24]],
  [24, 23, [18, 24]],
])("of %d steps with the one at %d in focus, these are shown: %j", (count, focus, rows) => {
  expect(shownRows(count, focus)).toEqual(rows);
});

test("there are always seven rows, folds counted, and the focus is among them", () => {
  for (let count = 9; count < 60; count += 1) {
    for (let focus = 0; focus < count; focus += 1) {
      const [from, to] = shownRows(count, focus);
      expect(to - from + Number(from > 0) + Number(to < count)).toBe(7);
      expect(focus >= from && focus < to).toBe(true);
    }
  }
});

test("words of steps", () => {
  const word = (status: Parameters<typeof step>[1], changes = {}) => {
    const one = step(1, status, changes);
    const state = stateOf(one, job());
    return wordOf(one, state, NOW, TEXT);
  };
  expect(word("pending")).toBe("");
  expect(word("in_progress")).toBe("1:00");
  expect(word("in_progress", { percent: 0 })).toBe("0% · 1:00");
  expect(word("in_progress", { percent: 40 })).toBe("40% · 1:00");
  expect(word("succeeded", { duration: 12.4 })).toBe("0:12");
  expect(word("failed", { duration: 11, exit_status: 1 })).toBe("exit 1 · 0:11");
  expect(word("failed", { duration: 11 })).toBe("failed · 0:11");
  expect(word("failure_ignored", { duration: 7 })).toBe("ignored · 0:07");
  expect(word("skipped")).toBe("not run");
});

test("nothing waits or runs in a job that has ended", () => {
  const ended = job({ status: "canceled" });
  expect(ended.steps.map((each) => stateOf(each, ended))).toEqual(["done", "stopped", "skipped"]);
});

test("the step in focus runs, or failed, or ran last", () => {
  expect(currentStep(job())?.step_index).toBe(2);
  expect(currentStep(failedJob())?.step_index).toBe(2);
  const done = job({ status: "succeeded", steps: [step(1, "succeeded"), step(2, "succeeded")] });
  expect(currentStep(done)?.step_index).toBe(2);
  expect(currentStep(job({ steps: [] }))).toBeUndefined();
});

test("the bar counts steps that are over, and thins out", () => {
  expect(doneCount(failedJob())).toBe(3);
  expect([12, 13, 40, 41].map(barStyle)).toEqual(["", "fine", "fine", "plain"]);
});

test("a step that says how far it is counts with its part", () => {
  expect(shareOf(job())).toBeCloseTo(1 / 3);
  const updating = job({ steps: [step(1, "succeeded"), step(2, "in_progress", { percent: 50 })] });
  expect(shareOf(updating)).toBe(0.75);
  expect(progressWords(updating, TEXT)).toBe("step 2 of 2, 50%");
  expect(progressWords(job(), TEXT)).toBe("step 2 of 3");
});

test("the strip has the oldest first and the job under way last", () => {
  const bars = stripOf([failedJob(), job({ status: "succeeded", duration: 1800 })], job(), NOW);
  expect(bars.map(({ tone }) => tone)).toEqual(["ok", "bad", "run"]);
  expect(bars[0]?.height).toBe(1);
});

test("the strip tells seconds from minutes, and nothing is higher than the strip", () => {
  expect(barHeight(4)).toBeLessThan(barHeight(40) / 1.5);
  expect(barHeight(-5)).toBe(0);
  expect(barHeight(1e6)).toBe(1);
});
