/** The menu of a thing: Home Assistant's dropdown, or a plain one where that is not there. */

import { html, nothing, type TemplateResult } from "lit/html.js";
import { live } from "lit/directives/live.js";

import { navigate } from "../home-assistant";
import { icon, type IconName, pathOf } from "../icons";
import { mayControl, type View } from "./view";

interface Item {
  name: string;
  words: string;
  icon: IconName;
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
    : plainMenu(items, words, `${view.prefix}menu`);
}

function itemsOf(view: View): Item[] {
  const { store, thing, text, act, options } = view;
  const items: Item[] = [];
  if (!thing || thing.state !== "loaded") {
    return items;
  }
  if (mayControl(view)) {
    items.push({
      name: "check",
      words: text.get("check_for_jobs"),
      icon: "refresh",
      do: () => void store.act("check", () => store.api.act("check_for_jobs")),
    });
    const entity = thing.entities["take_jobs"];
    const taking = !thing.holds.includes("switched_off");
    if (entity) {
      items.push({
        name: "take",
        words: text.get("take_jobs"),
        icon: "clipboard-check-outline",
        checked: taking,
        do: () => void store.act("take", () => store.api.turn(entity, !taking)),
      });
    }
  }
  if (options.actions && thing.run_document) {
    items.push({
      name: "document",
      words: text.get("run_document"),
      icon: "play-outline",
      do: () => { act.runDocument(); },
    });
  }
  items.push({
    name: "open",
    words: text.get("open_thing"),
    icon: "open-in-new",
    do: () => { navigate(`/config/devices/device/${thing.device_id}`); },
  });
  return items;
}

function dropdown(items: readonly Item[], words: string): TemplateResult {
  const select = (event: CustomEvent<{ item: { value: string } }>) => {
    items.find((item) => item.name === event.detail.item.value)?.do();
  };
  return html`<ha-dropdown class="menu-of-thing" @wa-select=${select}>
    <ha-icon-button slot="trigger" data-do="menu" .label=${words} .path=${pathOf("dots-vertical")}></ha-icon-button>
    ${items.map(
      (item) => html`<ha-dropdown-item
        value=${item.name}
        data-do="menu-${item.name}"
        type=${item.checked === undefined ? "normal" : "checkbox"}
        .checked=${live(item.checked ?? false)}
      ><ha-svg-icon slot="icon" .path=${pathOf(item.icon)}></ha-svg-icon>${item.words}</ha-dropdown-item>`,
    )}
  </ha-dropdown>`;
}

function plainMenu(items: readonly Item[], words: string, id: string): TemplateResult {
  return html`<button
      type="button"
      class="ib"
      data-do="menu"
      aria-label=${words}
      title=${words}
      aria-haspopup="menu"
      popovertarget=${id}
    >${icon("dots-vertical")}</button>
    <div class="menu" id=${id} popover role="menu" @toggle=${placed} @keydown=${moved}>${items.map(
      (item) => html`<button
        type="button"
        role=${item.checked === undefined ? "menuitem" : "menuitemcheckbox"}
        aria-checked=${item.checked === undefined ? nothing : String(item.checked)}
        data-do="menu-${item.name}"
        @click=${(event: Event) => {
          (event.currentTarget as HTMLElement).parentElement?.hidePopover();
          item.do();
        }}
      >${icon(item.icon)}<span>${item.words}</span>${item.checked ? icon("check", "tick") : nothing}</button>`,
    )}</div>`;
}

/** Below its button, within the window. */
function placed(event: Event): void {
  const menu = event.currentTarget as HTMLElement;
  const opener = menu.previousElementSibling;
  if ((event as ToggleEvent).newState !== "open" || !opener) {
    return;
  }
  const box = opener.getBoundingClientRect();
  const rightToLeft = getComputedStyle(menu).direction === "rtl";
  const left = rightToLeft ? box.left : box.right - menu.offsetWidth;
  menu.style.left = `${Math.max(4, left)}px`;
  menu.style.top = `${Math.max(4, Math.min(box.bottom, innerHeight - menu.offsetHeight - 4))}px`;
  menu.querySelector("button")?.focus();
}

function moved(event: KeyboardEvent): void {
  const menu = event.currentTarget as HTMLElement;
  const items = [...menu.querySelectorAll("button")];
  const now = items.indexOf(event.target as HTMLButtonElement);
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step !== undefined) {
    event.preventDefault();
    items.at((now + step) % items.length)?.focus();
  }
}
