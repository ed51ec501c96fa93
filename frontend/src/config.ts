/** What a user can set for the card, checked, with what holds where nothing is set. */

import { DOMAIN } from "./api";
import type { HomeAssistant } from "./home-assistant";

export const TAG = "aws-iot-jobs-card";

export const MODES = ["full", "compact"] as const;
export const HISTORIES = ["auto", "open", "folded", "hidden"] as const;

export const USUAL = { rows: 4, lines: 9 };

/** As it stands in the dashboard. */
export interface CardConfig {
  type: string;
  device_id?: string | string[];
  name?: string;
  mode?: string;
  history?: string;
  history_rows?: number;
  output_lines?: number;
  wrap?: boolean;
  actions?: boolean;
  grid_options?: { rows?: number | string };
}

/** As the card goes by it. */
export interface Options {
  /** Empty: all things. */
  deviceIds: string[];
  name: string | null;
  mode: (typeof MODES)[number];
  history: (typeof HISTORIES)[number];
  historyRows: number;
  outputLines: number;
  wrap: boolean;
  actions: boolean;
  /** Whether the user has set the card's height. */
  fixed: boolean;
}

/** Throws an error that names the option that is wrong. */
export function optionsOf(config: CardConfig): Options {
  const devices = config.device_id ?? [];
  const deviceIds = (Array.isArray(devices) ? devices : [devices]).filter(Boolean);
  if (deviceIds.some((id) => typeof id !== "string")) {
    throw new Error("device_id: the id of a device, or a list of them");
  }
  if (config.name && deviceIds.length > 1) {
    throw new Error("name: for one thing only");
  }
  return {
    deviceIds,
    // eslint-disable-next-line @typescript-eslint/prefer-nullish-coalescing -- empty is none
    name: config.name?.trim() || null,
    mode: oneOf("mode", config.mode, MODES),
    history: oneOf("history", config.history, HISTORIES),
    historyRows: between("history_rows", config.history_rows, 1, 20, USUAL.rows),
    outputLines: between("output_lines", config.output_lines, 4, 24, USUAL.lines),
    wrap: config.wrap !== false,
    actions: config.actions !== false,
    fixed: typeof config.grid_options?.rows === "number",
  };
}

/** The devices that are things, by name. */
export function thingsOf(home: Pick<HomeAssistant, "devices">): string[] {
  return Object.values(home.devices)
    .filter((device) => device.identifiers.some(([domain]) => domain === DOMAIN))
    .sort((one, other) => nameOf(one).localeCompare(nameOf(other)))
    .map((device) => device.id);
}

export function nameOf(device: { name: string | null; name_by_user?: string | null } | undefined): string {
  return device?.name_by_user ?? device?.name ?? "";
}

function oneOf<T extends string>(option: string, value: string | undefined, all: readonly [T, ...T[]]): T {
  const found = all.find((each) => each === value);
  if (value !== undefined && !found) {
    throw new Error(`${option}: one of ${all.join(", ")}`);
  }
  return found ?? all[0];
}

function between(option: string, value: number | undefined, least: number, most: number, usual: number) {
  if (value === undefined) {
    return usual;
  }
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new Error(`${option}: a whole number from ${least} to ${most}`);
  }
  return value;
}
