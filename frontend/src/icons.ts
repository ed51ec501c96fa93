/** Icons, drawn inline: no request, no jump. */

import { svg, type SVGTemplateResult } from "lit/html.js";

export function icon(path: string, className = ""): SVGTemplateResult {
  return svg`<svg viewBox="0 0 24 24" class=${className} aria-hidden="true"><path d=${path} /></svg>`;
}

/** What runs. */
export const spinner = svg`<svg viewBox="0 0 24 24" class="spin" aria-hidden="true"><circle cx="12" cy="12" r="8.8" /><path d="M12 3.2a8.8 8.8 0 0 1 8.8 8.8" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" /></svg>`;

/** A ring around a thing's icon, filled to a share from 0 to 1. */
export function ring(share: number): SVGTemplateResult {
  return svg`<svg class="ring" viewBox="0 0 36 36" aria-hidden="true"><circle cx="18" cy="18" r="16.5" /><circle cx="18" cy="18" r="16.5" pathLength="100" stroke-dasharray="${Math.round(share * 100)} 100" /></svg>`;
}
