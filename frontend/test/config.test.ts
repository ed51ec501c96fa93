import { expect, test } from "vitest";

import { optionsOf, thingsOf } from "../src/config";
import { formOf } from "../src/form";
import { TEXT } from "./samples";

const TYPE = "custom:aws-iot-jobs-card";

test("nothing set is the usual", () => {
  expect(optionsOf({ type: TYPE })).toEqual({
    deviceIds: [], name: null, mode: "full", history: "auto", historyRows: 4, outputLines: 9,
    wrap: true, actions: true, fixed: false,
  });
});

test("one thing or a list of them", () => {
  expect(optionsOf({ type: TYPE, device_id: "a" }).deviceIds).toEqual(["a"]);
  expect(optionsOf({ type: TYPE, device_id: ["a", "b"] }).deviceIds).toEqual(["a", "b"]);
});

test.each([
  [{ mode: "big" }, "mode: one of full, compact"],
  [{ history: "always" }, "history: one of"],
  [{ history_rows: 0 }, "history_rows: a whole number from 1 to 20"],
  [{ output_lines: 25 }, "output_lines: a whole number from 4 to 24"],
  [{ name: "Home", device_id: ["a", "b"] }, "name: for one thing only"],
])("%j is wrong, and it says so", (wrong, message) => {
  expect(() => optionsOf({ type: TYPE, ...wrong })).toThrow(message);
});

test("the editor has words for all options, and refuses one name for two things", () => {
  const form = formOf(TEXT);
  const fields = form.schema.flatMap((field) => field.schema ?? [field]);
  expect(fields.map(({ name }) => form.computeLabel({ name }))).toEqual(["Things", "Name", "Size", "Last jobs", "Rows of last jobs", "Lines of output", "Wrap long lines", "Buttons"]);
  expect(() => { form.assertConfig({ type: TYPE, name: "Home", device_id: ["a", "b"] }); }).toThrow("A name is for one thing");
  expect(() => { form.assertConfig({ type: TYPE, device_id: "a" }); }).toThrow("write its device_id as a list");
  expect(() => { form.assertConfig({ type: TYPE, device_id: ["a"], name: "Home" }); }).not.toThrow();
});

test("things are the devices of the integration, by name", () => {
  const device = (id: string, name: string, domain = "aws_iot_jobs") => ({ id, name, identifiers: [[domain, id]] as [string, string][] });
  const devices = { a: device("a", "parents"), b: device("b", "garage"), c: device("c", "lamp", "hue") };
  expect(thingsOf({ devices })).toEqual(["b", "a"]);
});
