/** The card's look: made once, shared by all cards of a page. Parts add theirs. */

import css from "./card.css";

let all = css;
let sheet: CSSStyleSheet | undefined;

export function styleSheet(): CSSStyleSheet {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(all);
  }
  return sheet;
}

export function addStyles(more: string): void {
  all += more;
  sheet?.replaceSync(all);
}
