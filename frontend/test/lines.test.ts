import { expect, test } from "vitest";

import { MAX_CHARACTERS, MAX_LINES, StepLines } from "../src/log/lines";
import { line } from "./samples";

const texts = (lines: StepLines) => lines.all.map(({ line: each }) => each.text);

test("the last lines are kept, and each keeps its place", () => {
  const lines = new StepLines();
  for (let n = 1; n <= MAX_LINES + 500; n += 1) {
    lines.append(line(n, `line ${n}`));
  }
  expect(lines.all).toHaveLength(MAX_LINES);
  expect(lines.begin).toBe(500);
  expect(lines.at(500)?.line.text).toBe("line 501");
  expect(lines.from(lines.end - 1).map((each) => each.n)).toEqual([MAX_LINES + 500]);
});

test("long lines are fewer", () => {
  const lines = new StepLines();
  const long = "x".repeat(MAX_CHARACTERS / 4);
  for (let n = 1; n <= 10; n += 1) {
    lines.append(line(n, long));
  }
  expect(lines.all).toHaveLength(4);
});

test("a line that goes on is the same line", () => {
  const lines = new StepLines();
  lines.append(line(1, "Downloading "));
  lines.append(line(2, "error", { stream: "stderr" }));
  lines.append(line(3, "done", { continues: true }));
  expect(texts(lines)).toEqual(["Downloading done", "error"]);
  expect(lines.takeChanged()).toEqual(new Set([0]));
  expect(lines.takeChanged()).toEqual(new Set());
});

test("what is told again is there once", () => {
  const lines = new StepLines();
  for (const [n, text] of [[1, "a"], [2, "b"], [2, "c"], [3, "d"]] as const) {
    lines.append(line(n, text));
  }
  lines.dropAfter(1);
  for (const [n, text] of [[2, "b"], [2, "c"], [3, "d"]] as const) {
    lines.append(line(n, text));
  }
  expect(texts(lines)).toEqual(["a", "b", "c", "d"]);
});

test("another attempt is said once, and begins without colour", () => {
  const lines = new StepLines();
  lines.append(line(1, "\x1b[31mcut"));
  lines.append(line(2, "again", { attempt: 2 }));
  lines.append(line(3, "and on", { attempt: 2 }));
  expect(lines.all.map(({ attempt }) => attempt)).toEqual([null, 2, null]);
  expect(lines.at(1)?.line.runs).toEqual([{ text: "again", style: "" }]);
});
