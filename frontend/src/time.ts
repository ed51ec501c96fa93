/** Times and lengths of time, as the user of Home Assistant wants them. */

import type { Locale } from "./home-assistant";
import type { Texts } from "./text";

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;
const SECONDS_ARE_TOLD_BELOW = 10 * MINUTE;
const WEEKDAY_IS_CLEAR_FOR_DAYS = 6;

/** A length that runs: 1:24, 1:10:11. Never below zero. */
export function digital(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number) => String(value).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / HOUR), Math.floor(whole / MINUTE) % 60, whole % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** A length of the past or the future, in its two largest units: 2 min 41 s. */
export function length(seconds: number, text: Texts): string {
  const whole = Math.max(0, Math.round(seconds));
  const part = (n: number, unit: "days" | "hours" | "minutes" | "seconds") =>
    n ? [text.get(`unit_${unit}`, { n })] : [];
  const minutes = Math.floor(whole / MINUTE);
  const parts =
    whole >= DAY
      ? [...part(Math.floor(whole / DAY), "days"), ...part(Math.floor(whole / HOUR) % 24, "hours")]
      : whole >= HOUR
        ? [...part(Math.floor(whole / HOUR), "hours"), ...part(minutes % 60, "minutes")]
        : whole >= MINUTE
          ? [
              ...part(minutes, "minutes"),
              ...part(whole < SECONDS_ARE_TOLD_BELOW ? whole % 60 : 0, "seconds"),
            ]
          : [text.get("unit_seconds", { n: whole })];
  return parts.join(" ");
}

/** How long ago something was, in one unit: 32 min ago, yesterday. */
export function ago(seconds: number, text: Texts, locale: Locale): string {
  if (seconds < MINUTE) {
    return text.get("just_now");
  }
  if (seconds < HOUR) {
    const time = text.get("unit_minutes", { n: Math.floor(seconds / MINUTE) });
    return text.get("ago", { time });
  }
  if (seconds < DAY) {
    return text.get("ago", { time: text.get("unit_hours", { n: Math.floor(seconds / HOUR) }) });
  }
  const format = new Intl.RelativeTimeFormat(known(locale.language), { numeric: "auto" });
  return format.format(-Math.floor(seconds / DAY), "day");
}

/** Tells moments by the user's clock, language and time zone. */
export class Clock {
  readonly #language: string | undefined;
  readonly #zone: string | undefined;
  readonly #hours: Intl.DateTimeFormatOptions;

  /** `serverZone` is Home Assistant's, which the user may prefer to the browser's. */
  constructor(locale: Locale, serverZone: string) {
    this.#language = known(locale.language);
    this.#zone = locale.time_zone === "server" ? serverZone : undefined;
    this.#hours = hours(locale.time_format);
  }

  /** 02:14 */
  time(moment: Date): string {
    return this.#format(moment, { hour: "2-digit", minute: "2-digit", ...this.#hours });
  }

  /** 18:40:05 */
  second(moment: Date): string {
    return this.#format(moment, {
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
      hourCycle: "h23",
    });
  }

  /** A time of today, the word for yesterday, a weekday with a time, or a date. */
  short(moment: Date, now: Date, text: Texts): string {
    const days = this.#day(now) - this.#day(moment);
    if (days <= 0) {
      return this.time(moment);
    }
    if (days === 1) {
      return text.get("yesterday");
    }
    if (days <= WEEKDAY_IS_CLEAR_FOR_DAYS) {
      return `${this.#format(moment, { weekday: "short" })} ${this.time(moment)}`;
    }
    const sameYear = this.#format(moment, { year: "numeric" }) === this.#format(now, { year: "numeric" });
    return this.#format(moment, {
      day: "numeric",
      month: "short",
      ...(sameYear ? {} : { year: "numeric" }),
    });
  }

  /** Day and time, whole: for a title. */
  exact(moment: Date): string {
    return this.#format(moment, {
      dateStyle: "medium",
      timeStyle: "medium",
      ...this.#hours,
    });
  }

  /** A time of day that stands in an option, "02:00:00". */
  ofDay(time: string): string {
    const [h = 0, m = 0] = time.split(":").map(Number);
    const format = new Intl.DateTimeFormat(this.#language, {
      hour: "2-digit",
      minute: "2-digit",
      timeZone: "UTC",
      ...this.#hours,
    });
    return format.format(new Date(Date.UTC(2000, 0, 1, h, m)));
  }

  #format(moment: Date, options: Intl.DateTimeFormatOptions): string {
    return new Intl.DateTimeFormat(this.#language, { ...options, timeZone: this.#zone }).format(moment);
  }

  /** The number of a day, in the user's time zone. */
  #day(moment: Date): number {
    const parts = new Intl.DateTimeFormat("en-CA", { timeZone: this.#zone }).format(moment);
    return Date.parse(parts) / 1000 / DAY;
  }
}

function hours(format: Locale["time_format"]): Intl.DateTimeFormatOptions {
  if (format === "12") {
    return { hourCycle: "h12" };
  }
  if (format === "24") {
    return { hourCycle: "h23" };
  }
  if (format === "system") {
    const { hourCycle } = new Intl.DateTimeFormat(undefined, { hour: "numeric" }).resolvedOptions();
    return hourCycle ? { hourCycle } : {};
  }
  return {};
}

/** The language, where the browser knows its formats; else the browser's own. */
function known(language: string): string | undefined {
  try {
    return Intl.DateTimeFormat.supportedLocalesOf(language)[0];
  } catch {
    return undefined;
  }
}
