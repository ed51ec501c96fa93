/** What time it is for Home Assistant, whose moments the card tells. */

const NO_DIFFERENCE_MS = 1500;

/** Learns from what arrives how far Home Assistant's clock is ahead of the browser's. */
export class ServerClock {
  #aheadMs = 0;

  /** Home Assistant says what time it is, or tells of what has happened this moment. */
  isNow(moment: string, browserMs: number): void {
    const ahead = Date.parse(moment) - browserMs;
    if (Math.abs(ahead - this.#aheadMs) > NO_DIFFERENCE_MS) {
      this.#aheadMs = ahead;
    }
  }

  /** Home Assistant tells of a moment that has been: its clock is beyond that. */
  hasBeen(moment: string | null, browserMs: number): void {
    if (moment) {
      this.#aheadMs = Math.max(this.#aheadMs, Date.parse(moment) - browserMs);
    }
  }

  now(browserMs: number): Date {
    return new Date(browserMs + this.#aheadMs);
  }
}

/** Seconds from one moment to another, never below zero. */
export function secondsBetween(from: string | null, to: Date): number {
  return from ? Math.max(0, (to.getTime() - Date.parse(from)) / 1000) : 0;
}

/** Seconds until a moment, never below zero. */
export function secondsUntil(moment: string, now: Date): number {
  return Math.max(0, (Date.parse(moment) - now.getTime()) / 1000);
}
