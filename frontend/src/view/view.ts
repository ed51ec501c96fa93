/** What every part of the card is drawn from. */

import type { Options } from "../config";
import type { Told } from "../headline";
import type { HomeAssistant } from "../home-assistant";
import type { Job } from "../model";
import type { ThingStore } from "../thing";

/** One thing at one moment, and what its buttons do. */
export interface View extends Told {
  job: Job | null;
  store: ThingStore;
  home: HomeAssistant;
  options: Options;
  name: string;
  /** Begins the ids of its elements: several things stand in one card. */
  prefix: string;
  act: Deeds;
}

/** What the card does when it is asked to. */
export interface Deeds {
  /** Draws anew, as something has been chosen. */
  update(): void;
  stop(job: Job): void;
  reject(job: Job): void;
  openLog(job: Job): void;
  download(job: Job): void;
  runDocument(): void;
  copy(text: string, button: EventTarget | null): void;
}

/** Whether the user may act here: buttons that a user may not use are not drawn. */
export function mayControl({ options, thing }: View): boolean {
  return options.actions && thing?.may.control === true;
}

export function mayAdminister({ options, thing }: View): boolean {
  return options.actions && thing?.may.administer === true;
}

/** Whether the user has lines wrapped: in all of a card, until the page is left. */
export interface Wrapping {
  wrap: boolean;
  onWrap: () => void;
}
