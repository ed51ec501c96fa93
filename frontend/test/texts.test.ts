import { readdirSync, readFileSync } from "node:fs";

import { expect, test } from "vitest";

import { LANGUAGES, type Table } from "../src/text";

const FOLDER = new URL("../src/translations/", import.meta.url);

function table(language: string): Table {
  return JSON.parse(readFileSync(new URL(`${language}.json`, FOLDER), "utf8")) as Table;
}

const english = table("en");
const forms = (entry: Table[string] | undefined) => (typeof entry === "object" ? Object.values(entry) : [entry ?? ""]);
const placeholders = (text: string) => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort();

test("there is a file for each language and no other", () => {
  expect(readdirSync(FOLDER).sort()).toEqual(LANGUAGES.map((language) => `${language}.json`).sort());
});

test.each(LANGUAGES)("%s has all texts, in the order of the English ones", (language) => {
  expect(Object.keys(table(language))).toEqual(Object.keys(english));
});

test.each(LANGUAGES)("the texts of %s fit those in English", (language) => {
  for (const [key, entry] of Object.entries(table(language))) {
    expect(Object.keys(english)).toContain(key);
    const known = new Set(forms(english[key]).flatMap(placeholders));
    const wanted = placeholders(forms(english[key]).at(-1) ?? "");
    const last = forms(entry).at(-1) ?? "";
    expect(placeholders(last), `${language} ${key}`).toEqual(wanted);
    expect(forms(entry).flatMap(placeholders).every((each) => known.has(each)), `${language} ${key}`).toBe(true);
    expect(typeof entry, `${language} ${key}`).toBe(typeof english[key]);
  }
});

test.each(LANGUAGES)("plurals of %s have the forms that the language knows", (language) => {
  const known = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
  for (const [key, entry] of Object.entries(table(language))) {
    if (typeof entry === "object") {
      expect(known, `${language} ${key}`).toEqual(expect.arrayContaining(Object.keys(entry)));
      expect(Object.keys(entry), `${language} ${key}`).toContain("other");
    }
  }
});
