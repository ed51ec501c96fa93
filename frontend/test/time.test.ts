import { expect, test } from "vitest";

import { ServerClock } from "../src/server-clock";
import { ago, Clock, digital, length } from "../src/time";
import { NOW, TEXT } from "./samples";

const LOCALE = { language: "en-GB", time_format: "language", time_zone: "server" } as const;
const clock = new Clock(LOCALE, "UTC");
const before = (seconds: number) => new Date(NOW.getTime() - seconds * 1000);

test.each([
  [-3, "0:00"],
  [12.9, "0:12"],
  [84, "1:24"],
  [4211, "1:10:11"],
])("%d seconds that run are %s", (seconds, words) => {
  expect(digital(seconds)).toBe(words);
});

test.each([
  [0, "0 s"],
  [14, "14 s"],
  [59.7, "1 min"],
  [161, "2 min 41 s"],
  [1085, "18 min"],
  [1800, "30 min"],
  [86_160, "23 h 56 min"],
  [90_000, "1 d 1 h"],
])("%d seconds that are over are %s", (seconds, words) => {
  expect(length(seconds, TEXT)).toBe(words);
});

test.each([
  [5, "just now"],
  [32 * 60, "32 min ago"],
  [7300, "2 h ago"],
  [90_000, "yesterday"],
  [300_000, "3 days ago"],
])("%d seconds ago is %s", (seconds, words) => {
  expect(ago(seconds, TEXT, LOCALE)).toBe(words);
});

test.each([
  [60, "11:59"],
  [86_400, "Yesterday"],
  [2 * 86_400, "Mon 12:00"],
  [30 * 86_400, "26 Oct"],
  [400 * 86_400, "21 Oct 2025"],
])("a job that ended %d seconds ago has the time %s", (seconds, words) => {
  expect(clock.short(before(seconds), NOW, TEXT)).toBe(words);
});

test("the user's clock has the hours that the user wants", () => {
  expect(new Clock({ ...LOCALE, time_format: "12" }, "UTC").time(NOW)).toMatch(/^12:00\s?pm$/i);
  expect(new Clock({ ...LOCALE, language: "en-US", time_format: "24" }, "UTC").time(NOW)).toBe("12:00");
  expect(new Clock(LOCALE, "Asia/Tokyo").time(NOW)).toBe("21:00");
  expect(clock.ofDay("02:00:00")).toBe("02:00");
});

test("yesterday is a day of the user's time zone", () => {
  const tokyo = new Clock(LOCALE, "Asia/Tokyo");
  const late = new Date("2026-11-25T16:00:00Z");
  expect(tokyo.short(new Date("2026-11-25T14:59:00Z"), late, TEXT)).toBe("Yesterday");
  expect(clock.short(new Date("2026-11-25T14:59:00Z"), late, TEXT)).toBe("14:59");
});

test("an unknown language does not stop the clock", () => {
  expect(new Clock({ ...LOCALE, language: "xx-invalid-language" }, "UTC").time(NOW)).toContain("00");
});

test("a browser whose clock is behind does not tell of the future", () => {
  const server = new ServerClock();
  server.hasBeen("2026-11-25T12:10:00Z", NOW.getTime());
  expect(server.now(NOW.getTime()).toISOString()).toBe("2026-11-25T12:10:00.000Z");
  server.hasBeen("2026-11-25T11:00:00Z", NOW.getTime());
  expect(server.now(NOW.getTime()).toISOString()).toBe("2026-11-25T12:10:00.000Z");
});

test("what happens now sets the clock, small delays do not", () => {
  const server = new ServerClock();
  server.isNow("2026-11-25T11:00:00Z", NOW.getTime());
  expect(server.now(NOW.getTime()).toISOString()).toBe("2026-11-25T11:00:00.000Z");
  server.isNow("2026-11-25T10:59:59Z", NOW.getTime());
  expect(server.now(NOW.getTime()).toISOString()).toBe("2026-11-25T11:00:00.000Z");
});
