/** The whole log of a job: searched, and downloaded. */

import { html, nothing, type TemplateResult } from "lit/html.js";

import { mdiMagnify } from "../body-icon-paths";
import { mdiChevronDown } from "../icon-paths";
import { drawn } from "../drawn";
import { icon } from "../icons";
import { lineElement } from "../log/pane";
import { placesOf, type WholeLog } from "../log/whole-log";
import type { Clock } from "../time";
import type { Texts } from "../text";
import { iconButton } from "./parts";

export interface LogDialogOptions {
  log: WholeLog;
  text: Texts;
  clock: Clock;
  wrap: boolean;
}

export function logContent({ log, text, clock, wrap }: LogDialogOptions): TemplateResult {
  const { matches, query } = log;
  const count = matches.length;
  const found = !query || log.busy ? "" : count ? text.get("matches", { match: log.match + 1, count }) : text.get("no_match");
  return html`<div class="find">
      ${icon(mdiMagnify)}
      <input
        type="search"
        autofocus
        aria-label=${text.get("search_log")}
        placeholder=${text.get("search_log")}
        .value=${query}
        @input=${(event: InputEvent) => void log.search((event.target as HTMLInputElement).value)}
        @keydown=${(event: KeyboardEvent) => {
          if (event.key === "Enter") {
            log.step(event.shiftKey ? -1 : 1);
          }
        }}
      />
      <span class="cap" role="status">${found}</span>
      ${count > 1
        ? html`${iconButton(text.get("previous_match"), () => { log.step(-1); }, { icon: mdiChevronDown, name: "previous-match", small: true })}
          ${iconButton(text.get("next_match"), () => { log.step(1); }, { icon: mdiChevronDown, name: "next-match", small: true })}`
        : nothing}
    </div>
    ${log.cut ? html`<p class="cap told">${text.get("log_cut")}</p>` : nothing}
    ${log.error === null ? nothing : html`<p class="fault" data-tone="bad">${text.get("log_not_read")} ${log.error}</p>`}
    <pre
      class="log ${wrap ? "" : "nowrap"}"
      role="log"
      aria-live="off"
      aria-busy=${log.busy ? "true" : "false"}
      tabindex="0"
      aria-label=${text.get("log")}
      ${drawn(log.version, (element) => { draw(element, log, text, clock); })}
    ></pre>`;
}

function draw(element: HTMLElement, log: WholeLog, text: Texts, clock: Clock): void {
  const [from, to] = log.window;
  const names = new Map(log.job.steps.map((step) => [step.step_index, step.step]));
  const current = log.matches[log.match];
  const query = log.query.toLowerCase();
  const children: HTMLElement[] = [];
  let target: HTMLElement | undefined;
  if (log.earlier && log.entries.length) {
    children.push(pageButton(text.get("earlier_lines"), "earlier", () => void log.showEarlier()));
  }
  log.entries.slice(from, to).forEach(({ step, first, shown }, index) => {
    if (first || index === 0) {
      children.push(section(names.get(step) ?? ""));
    }
    const line = lineElement(shown, text, {
      time: clock.second(new Date(shown.at)),
      marks: (words) => placesOf(words, query),
    });
    if (current?.entry === from + index) {
      target = line;
      line.classList.add("here");
    }
    children.push(line);
  });
  if (log.later) {
    children.push(pageButton(text.get("later_lines"), "later", () => { log.showLater(); }));
  }
  if (!log.entries.length && !log.busy && log.error === null) {
    children.push(section(text.get("no_output")));
  }
  element.replaceChildren(...children);
  if (target) {
    target.scrollIntoView({ block: "center" });
  } else if (!log.query && to === log.entries.length) {
    element.scrollTop = element.scrollHeight;
  }
}

function section(words: string): HTMLElement {
  const element = document.createElement("span");
  element.className = "sec";
  element.textContent = words;
  return element;
}

function pageButton(words: string, name: string, onClick: () => void): HTMLElement {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "btn txt";
  element.dataset.do = name;
  element.textContent = words;
  element.addEventListener("click", onClick);
  return element;
}
