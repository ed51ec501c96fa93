/** What the card uses of Home Assistant's frontend. Nothing of it is promised to custom cards. */

export interface HomeAssistant {
  connection: Connection;
  callWS<T>(message: Message): Promise<T>;
  language: string;
  locale: Locale;
  config: { time_zone: string };
  user?: { is_admin: boolean };
  devices: Record<string, Device>;
  entities: Record<string, Entity>;
  states: Record<string, State>;
}

export interface Connection {
  subscribeMessage<T>(
    callback: (message: T) => void,
    message: Message,
    options: { resubscribe: boolean },
  ): Promise<() => Promise<void>>;
  sendMessagePromise<T>(message: Message): Promise<T>;
  addEventListener(type: "ready", callback: () => void): void;
  removeEventListener(type: "ready", callback: () => void): void;
}

export interface Message {
  type: string;
  [key: string]: unknown;
}

export interface Locale {
  language: string;
  time_format: "language" | "system" | "12" | "24";
  time_zone: "local" | "server";
}

export interface Device {
  id: string;
  name: string | null;
  name_by_user?: string | null;
  identifiers: [string, string][];
}

export interface Entity {
  entity_id: string;
  device_id?: string;
  platform?: string;
  translation_key?: string;
}

export interface State {
  state: string;
}

/** An answer of Home Assistant that says no. */
export interface CommandError {
  code: string;
  message: string;
}

export function isCommandError(error: unknown): error is CommandError {
  return typeof error === "object" && error !== null && "code" in error && "message" in error;
}

/** Home Assistant puts this before what an action says of its data. */
const PREFIX = /^Validation error: /;

/** What went wrong, in words: Home Assistant's, where it said any. */
export function messageOf(error: unknown): string {
  if (isCommandError(error) || error instanceof Error) {
    return error.message.replace(PREFIX, "");
  }
  return String(error);
}

/** Goes to another page of Home Assistant. */
export function navigate(path: string): void {
  history.pushState(null, "", path);
  window.dispatchEvent(new CustomEvent("location-changed", { detail: { replace: false } }));
}
