import { expect, test } from "vitest";

import { PLAIN_PEN, penAfter, TerminalLine } from "../src/log/terminal";

function shown(...texts: string[]): TerminalLine {
  const line = new TerminalLine();
  let pen = PLAIN_PEN;
  for (const text of texts) {
    pen = line.write(text, pen);
  }
  return line;
}

test("plain text is one plain run", () => {
  expect(shown("Writing 64 KiB").runs).toEqual([{ text: "Writing 64 KiB", style: "" }]);
});

test("colours are classes, and end where they are reset", () => {
  expect(shown("a \x1b[31mred\x1b[0m b").runs).toEqual([
    { text: "a ", style: "" },
    { text: "red", style: "r" },
    { text: " b", style: "" },
  ]);
});

test.each([
  ["1;32", "g bo"],
  ["4;33", "y un"],
  ["2", "d"],
  ["90", "d"],
  ["95", "m"],
  ["38;5;196", "r"],
  ["38;5;46", "g"],
  ["38;5;250", ""],
  ["38;2;20;40;220", "b"],
  ["38;2;0;200;210", "c"],
  ["48;5;1;31", "r"],
  ["31;39", ""],
  ["97", ""],
])("the sequence %s has the style %j", (parameters, style) => {
  expect(shown(`\x1b[${parameters}mx`).runs).toEqual([{ text: "x", style }]);
});

test("a colour lasts over lines until it is reset", () => {
  const pen = new TerminalLine().write("\x1b[31mone", PLAIN_PEN);
  const next = new TerminalLine();
  next.write("two", pen);
  expect(next.runs).toEqual([{ text: "two", style: "r" }]);
  expect(penAfter(pen, "")).toEqual(PLAIN_PEN);
});

test("a progress bar shows its last state", () => {
  expect(shown("  0%\r 50%\r100%").text).toBe("100%");
  expect(shown("a long line\r\x1b[Kshort").text).toBe("short");
  expect(shown("10%", "\r20%", "\r30% done").text).toBe("30% done");
});

test("what is written back or moved to is in its place", () => {
  expect(shown("abc\b\bX").text).toBe("aXc");
  expect(shown("abc\x1b[5Gx").text).toBe("abc x");
  expect(shown("abc\x1b[2Dx").text).toBe("axc");
});

test("titles, links and cut sequences leave nothing behind", () => {
  expect(shown("\x1b]0;title\x07text").text).toBe("text");
  expect(shown("\x1b]8;;https://example.com\x1b\\link\x1b]8;;\x1b\\").text).toBe("link");
  expect(shown("text\x1b[").text).toBe("text");
  expect(shown("a\x1b(Bb\x00c").text).toBe("abc");
});

test("tabs stay, and emoji are one character", () => {
  expect(shown("a\tb").text).toBe("a\tb");
  expect(shown("\x1b[32m👍 ok\x1b[0m\rX").text).toBe("X ok");
});
