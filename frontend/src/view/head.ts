/** The head of a thing: what it is and how it stands. Alone, it is the compact mode. */

import { html, nothing, type TemplateResult } from "lit/html.js";

import { mdiChevronDown } from "../icon-paths";
import { headlineOf } from "../headline";
import { icon } from "../icons";
import { secondsBetween } from "../server-clock";
import { shareOf } from "../steps";
import { digital } from "../time";
import { barOf } from "./bar";
import { menuOf } from "./menu";
import { disc } from "./parts";
import type { View } from "./view";

export function headOf(view: View): TemplateResult {
  const { tone, icon: name, line } = headlineOf(view, "full");
  return html`<header class="head" data-kind=${view.situation.kind}>
    ${disc(tone, name)}
    <div class="who"><h2 class="name">${view.name}</h2><p class="line" title=${line}>${line || "\u00a0"}</p></div>
    ${menuOf(view)}
  </header>`;
}

/** A tile that is one button: it opens the whole. */
export function tileOf(view: View, open: () => void): TemplateResult {
  const { situation } = view;
  const { tone, icon: name, line } = headlineOf(view, "compact");
  const running = situation.kind === "running" ? situation.job : null;
  const share = running?.steps.length ? shareOf(running) : null;
  return html`<button type="button" class="head" data-do="open" data-kind=${situation.kind} aria-haspopup="dialog" @click=${open}>
    ${disc(tone, name, share)}
    <span class="who"><span class="name">${view.name}</span><span class="line">${line || "\u00a0"}</span></span>
    ${clockOf(view)}
  </button>`;
}

/** A row among others: it opens what is below. */
export function rowOf(view: View, open: boolean, toggle: () => void): TemplateResult {
  const { situation, prefix, text } = view;
  const { tone, icon: name, line } = headlineOf(view, "row");
  const running = situation.kind === "running" ? situation.job : null;
  return html`<div class="headrow">
      <button type="button" class="head" data-do="thing" data-kind=${situation.kind} aria-expanded=${open ? "true" : "false"} aria-controls="${prefix}body" @click=${toggle}>
        ${disc(tone, name)}
        <span class="who"><span class="name">${view.name}</span><span class="line">${line || "\u00a0"}</span></span>
        ${open ? nothing : clockOf(view)}${icon(mdiChevronDown, "chev")}
      </button>
      ${open ? menuOf(view) : nothing}
    </div>
    ${running && !open ? barOf(running, text, "mini") : nothing}`;
}

function clockOf({ situation, now }: View): TemplateResult | typeof nothing {
  const { kind, job } = situation;
  return kind === "running" && job
    ? html`<span class="clock" role="timer" aria-live="off">${digital(secondsBetween(job.started_at, now))}</span>`
    : nothing;
}
