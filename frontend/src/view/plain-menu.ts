/** A menu where Home Assistant's dropdown is not there. */

import { html, nothing, type TemplateResult } from "lit/html.js";

import { mdiCheck } from "../body-icon-paths";
import { mdiDotsVertical } from "../icon-paths";
import { icon } from "../icons";
import type { Item } from "./menu";

export function plainMenu(items: readonly Item[], words: string, id: string): TemplateResult {
  return html`<button
      type="button"
      class="ib"
      data-do="menu"
      aria-label=${words}
      title=${words}
      aria-haspopup="menu"
      popovertarget=${id}
    >${icon(mdiDotsVertical)}</button>
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
      >${icon(item.icon)}<span>${item.words}</span>${item.checked ? icon(mdiCheck, "tick") : nothing}</button>`,
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
