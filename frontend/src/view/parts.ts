/** Small parts that are drawn in many places. */

import { html, nothing, type TemplateResult } from "lit/html.js";

import { icon, ring, spinner } from "../icons";
import { cutId } from "../id";
import type { Tone } from "../steps";

/** A job's id, which gives way in the middle. */
export function idOf(id: string): TemplateResult {
  const [start, end] = cutId(id);
  return html`<span class="id" title=${id}><span>${start}</span>${end ? html`<span>${end}</span>` : nothing}</span>`;
}

/** A thing's icon in its disc, or in a ring that tells how far its job is. */
export function disc(tone: Tone, name: string, share: number | null = null): TemplateResult {
  return html`<span class="dot ${share === null ? "" : "has-ring"}" data-tone=${tone}>${icon(name)}${share === null ? nothing : ring(share)}</span>`;
}

export interface ButtonOptions {
  icon?: string;
  tone?: Tone;
  className?: string;
  /** Whether its action waits for an answer. */
  busy?: boolean;
  disabled?: boolean;
  /** Finds it: by tests, and by styles. */
  name: string;
}

export function button(words: string, onClick: (event: Event) => void, options: ButtonOptions): TemplateResult {
  const { tone, busy = false } = options;
  const sign = busy ? spinner : options.icon ? icon(options.icon) : nothing;
  return html`<button
    type="button"
    class="btn ${options.className ?? ""}"
    data-do=${options.name}
    data-tone=${tone ?? nothing}
    ?disabled=${busy || options.disabled}
    aria-busy=${busy ? "true" : nothing}
    @click=${onClick}
  >${sign}<span>${words}</span></button>`;
}

export interface IconButtonOptions {
  icon: string;
  name: string;
  small?: boolean;
  pressed?: boolean;
  disabled?: boolean;
}

export function iconButton(words: string, onClick: (event: Event) => void, options: IconButtonOptions): TemplateResult {
  return html`<button
    type="button"
    class="ib ${options.small ? "s" : ""}"
    data-do=${options.name}
    aria-label=${words}
    title=${words}
    aria-pressed=${options.pressed === undefined ? nothing : String(options.pressed)}
    ?disabled=${options.disabled}
    @click=${onClick}
  >${icon(options.icon)}</button>`;
}
