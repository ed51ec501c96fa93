/** The menu of a thing: Home Assistant's dropdown, or a plain one where that is not there. */

import { html, nothing, type TemplateResult } from "lit/html.js";

import {
  mdiClipboardCheckOutline,
  mdiDotsVertical,
  mdiOpenInNew,
  mdiPlayOutline,
  mdiRefresh,
} from "../icon-paths";
import { navigate } from "../home-assistant";
import { dialogPart } from "../part";
import { mayControl, type View } from "./view";

export interface Item {
  name: string;
  words: string;
  icon: string;
  /** Of what is on or off. */
  checked?: boolean;
  do: () => void;
}

export function menuOf(view: View): TemplateResult | typeof nothing {
  const items = itemsOf(view);
  if (!items.length) {
    return nothing;
  }
  const words = view.text.get("more");
  return customElements.get("ha-dropdown") && customElements.get("ha-icon-button")
    ? dropdown(items, words)
    : (dialogPart.use(() => { view.act.update(); })?.plainMenu(items, words, `${view.prefix}menu`) ?? nothing);
}

function itemsOf(view: View): Item[] {
  const { store, thing, text, act, options } = view;
  const items: Item[] = [];
  if (thing?.state !== "loaded") {
    return items;
  }
  if (mayControl(view)) {
    items.push({
      name: "check",
      words: text.get("check_for_jobs"),
      icon: mdiRefresh,
      do: () => void store.act("check", () => store.api.act("check_for_jobs")),
    });
    const entity = thing.entities.take_jobs;
    const taking = !thing.holds.includes("switched_off");
    if (entity) {
      items.push({
        name: "take",
        words: text.get("take_jobs"),
        icon: mdiClipboardCheckOutline,
        checked: taking,
        do: () => void store.act("take", () => store.api.turn(entity, !taking)),
      });
    }
  }
  if (options.actions && thing.run_document) {
    items.push({
      name: "document",
      words: text.get("run_document"),
      icon: mdiPlayOutline,
      do: () => { act.runDocument(); },
    });
  }
  items.push({
    name: "open",
    words: text.get("open_thing"),
    icon: mdiOpenInNew,
    do: () => { navigate(`/config/devices/device/${thing.device_id}`); },
  });
  return items;
}

function dropdown(items: readonly Item[], words: string): TemplateResult {
  const select = (event: CustomEvent<{ item: { value: string; checked: boolean | undefined } }>) => {
    const { item: chosen } = event.detail;
    const item = items.find(({ name }) => name === chosen.value);
    // What is on or off changes when Home Assistant says so.
    chosen.checked = item?.checked;
    item?.do();
  };
  return html`<ha-dropdown class="menu-of-thing" @wa-select=${select}>
    <ha-icon-button slot="trigger" data-do="menu" .label=${words} .path=${mdiDotsVertical}></ha-icon-button>
    ${items.map(
      (item) => html`<ha-dropdown-item
        value=${item.name}
        data-do="menu-${item.name}"
        type=${item.checked === undefined ? "normal" : "checkbox"}
        .checked=${item.checked ?? false}
      ><ha-svg-icon slot="icon" .path=${(item.icon)}></ha-svg-icon>${item.words}</ha-dropdown-item>`,
    )}
  </ha-dropdown>`;
}
