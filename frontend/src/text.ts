/** The card's words in the user's language. */

import type en from "./translations/en.json";

/** The build says what the texts are: with others, their addresses are others. */
declare const TEXTS_DIGEST: string;

export type Key = keyof typeof en;
export type Values = Record<string, string | number>;
export type Table = Record<string, string | Partial<Record<Intl.LDMLPluralRule, string>>>;

/** Those of the integration; for any other language the words are English. */
export const LANGUAGES = ["de", "en", "es", "fr", "it", "ja", "nl", "pl", "pt-BR", "zh-Hans"];

/** Gives the words for keys, with values in place and in the plural that `count` asks for. */
export class Texts {
  readonly #table: Table;
  readonly #plural: Intl.PluralRules;
  readonly #number: Intl.NumberFormat;

  /** `language` is that of the table, `locale` that of numbers. */
  constructor(table: Table, language: string, locale = language) {
    this.#table = table;
    this.#plural = new Intl.PluralRules(language);
    this.#number = new Intl.NumberFormat(locale);
  }

  get(key: Key, values: Values = {}): string {
    const entry = this.#table[key] ?? "";
    const text = typeof entry === "string" ? entry : this.#form(entry, values.count);
    return text.replace(/\{(\w+)\}/g, (_, name: string) => this.#value(values[name]));
  }

  /** A number as users of the language write it. */
  number(value: number, options?: Intl.NumberFormatOptions): string {
    return options
      ? new Intl.NumberFormat(this.#number.resolvedOptions().locale, options).format(value)
      : this.#number.format(value);
  }

  #form(entry: Partial<Record<Intl.LDMLPluralRule, string>>, count: string | number | undefined) {
    return entry[this.#plural.select(Number(count))] ?? entry.other ?? "";
  }

  #value(value: string | number | undefined): string {
    return typeof value === "number" ? this.#number.format(value) : (value ?? "");
  }
}

/** The one of LANGUAGES that serves a user of `wanted` best. */
export function languageFor(wanted: string): string {
  const same = (code: string) => code.toLowerCase() === wanted.toLowerCase();
  const [base] = wanted.toLowerCase().split("-");
  return (
    LANGUAGES.find(same) ?? LANGUAGES.find((code) => code.toLowerCase().split("-")[0] === base) ?? "en"
  );
}

const loaded = new Map<string, Promise<Texts>>();

/**
 * Reads the texts that lie beside the card, with what they are in their address.
 *
 * What could not be read is tried again at the next call.
 */
export function loadTexts(wanted: string, locale = wanted): Promise<Texts> {
  const language = languageFor(wanted);
  const key = `${language} ${locale}`;
  let texts = loaded.get(key);
  if (!texts) {
    texts = read(language).then((table) => new Texts(table, language, usable(locale) ?? language));
    texts.catch(() => loaded.delete(key));
    loaded.set(key, texts);
  }
  return texts;
}

async function read(language: string): Promise<Table> {
  const address = new URL(`texts/${language}.json?v=${TEXTS_DIGEST}`, import.meta.url);
  const response = await fetch(address);
  if (!response.ok) {
    throw new Error(`${address.pathname}: ${response.status}`);
  }
  return (await response.json()) as Table;
}

/** The locale, where the browser knows what that is. */
function usable(locale: string): string | undefined {
  try {
    return Intl.NumberFormat.supportedLocalesOf(locale)[0];
  } catch {
    return undefined;
  }
}
