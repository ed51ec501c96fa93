/** The form of the card's editor. */

import { DOMAIN } from "./api";
import { type CardConfig, HISTORIES, MODES, optionsOf, USUAL } from "./config";
import type { Key, Texts } from "./text";

interface Field {
  name: string;
  selector?: Record<string, unknown>;
  default?: unknown;
  type?: "expandable";
  flatten?: true;
  title?: string;
  iconPath?: string;
  schema?: Field[];
}

/** What Home Assistant draws, in the user's language. Nothing usual is written into the config. */
export function formOf(text: Texts) {
  const choice = (mode: string, prefix: "mode" | "history", values: readonly string[]) => ({
    select: {
      mode,
      options: values.map((value) => ({ value, label: text.get(`${prefix}_${value}` as Key) })),
    },
  });
  const number = (min: number, max: number) => ({ number: { min, max, mode: "box" } });
  const on = { selector: { boolean: {} }, default: true };
  const schema: Field[] = [
      { name: "device_id", selector: { device: { integration: DOMAIN, multiple: true } } },
      { name: "name", selector: { text: {} } },
      { name: "mode", selector: choice("box", "mode", MODES), default: MODES[0] },
      {
        type: "expandable",
        name: "",
        flatten: true,
        title: text.get("option_content"),
        iconPath: "M21,6V8H3V6H21M3,18H12V16H3V18M3,13H21V11H3V13Z",
        schema: [
          { name: "history", selector: choice("dropdown", "history", HISTORIES) },
          { name: "history_rows", selector: number(1, 20), default: USUAL.rows },
          { name: "output_lines", selector: number(4, 24), default: USUAL.lines },
          { name: "wrap", ...on },
          { name: "actions", ...on },
        ],
      },
  ];
  return {
    schema,
    computeLabel: ({ name }: { name: string }) =>
      name ? text.get(`option_${name}` as Key) : undefined,
    computeHelper: ({ name }: { name: string }) => text.get(`help_${name}` as Key) || undefined,
    // What this throws is shown, with the code in place of the form.
    assertConfig: (config: CardConfig) => {
      if (typeof config.device_id === "string") {
        throw new Error(text.get("one_in_list"));
      }
      if (config.name && Array.isArray(config.device_id) && config.device_id.length > 1) {
        throw new Error(text.get("one_name"));
      }
      optionsOf(config);
    },
  };
}
