/** The steps of a job: tabs that choose whose output is shown, or a plain list. */

import { html, nothing, type TemplateResult } from "lit/html.js";

import {
  mdiCheckCircle,
  mdiCircleOutline,
  mdiCloseCircle,
  mdiMinusCircleOutline,
} from "../body-icon-paths";
import { mdiAlertCircleOutline, mdiChevronDown } from "../icon-paths";
import { icon, spinner } from "../icons";
import type { Job, Step } from "../model";
import { currentStep, shownRows, stateOf, type StepState, TONE_OF_STEP, wordOf } from "../steps";
import { digital } from "../time";
import type { OpenJob } from "../thing";
import type { View } from "./view";

const ICONS: Record<Exclude<StepState, "run">, string> = {
  done: mdiCheckCircle,
  failed: mdiCloseCircle,
  stopped: mdiCloseCircle,
  ignored: mdiAlertCircleOutline,
  skipped: mdiMinusCircleOutline,
  wait: mdiCircleOutline,
};

/** The step whose output is shown. */
export function chosenStep(open: OpenJob, job: Job): Step | undefined {
  return job.steps.find((step) => step.step_index === open.chosen) ?? currentStep(job) ?? job.steps[0];
}

export function stepTabs(view: View, job: Job, open: OpenJob): TemplateResult {
  const { text, prefix } = view;
  const { steps } = job;
  const place = (step: Step | undefined) => (step ? steps.indexOf(step) : 0);
  const chosen = place(chosenStep(open, job));
  let [from, to] = shownRows(steps.length, place(currentStep(job)));
  const folds = { before: from, after: steps.length - to };
  // What is chosen is in sight.
  from = open.unfolded.before || chosen < from ? 0 : from;
  to = open.unfolded.after || chosen >= to ? steps.length : to;
  const choose = (step: Step) => {
    open.choose(step.step_index, currentStep(job)?.step_index);
    void open.log?.need(step.step_index);
    view.act.update();
  };
  const seconds = steps.slice(0, folds.before).reduce((sum, step) => sum + (step.duration ?? 0), 0);
  return html`<div class="col">
    ${fold(view, open, "before", folds.before, from === 0, text.get("steps_done", { count: folds.before }), digital(seconds))}
    <div
      class="steps"
      role="tablist"
      aria-orientation="vertical"
      aria-label=${text.get("steps")}
      @keydown=${(event: KeyboardEvent) => { chooseByKey(event, steps.slice(from, to), choose); }}
    >${steps.slice(from, to).map((step, index) => {
      const selected = from + index === chosen;
      return html`<button
        type="button"
        role="tab"
        id="${prefix}t${step.step_index}"
        class="step ${stateOf(step, job)}"
        data-tone=${TONE_OF_STEP[stateOf(step, job)]}
        data-step=${step.step_index}
        aria-selected=${selected ? "true" : "false"}
        aria-controls="${prefix}out"
        tabindex=${selected ? 0 : -1}
        @click=${() => { choose(step); }}
      >${stepCells(view, step, job)}</button>`;
    })}</div>
    ${fold(view, open, "after", folds.after, to === steps.length, text.get("steps_more", { count: folds.after }), "")}
  </div>`;
}

/** The steps of a job of the past. */
export function stepList(view: View, job: Job): TemplateResult {
  return html`<ol class="steps">${job.steps.map(
    (step) => html`<li class="step ${stateOf(step, job)}" data-tone=${TONE_OF_STEP[stateOf(step, job)]} data-step=${step.step_index}>${stepCells(view, step, job)}</li>`,
  )}</ol>`;
}

function stepCells({ text, now }: View, step: Step, job: Job): TemplateResult {
  const state = stateOf(step, job);
  const sign = state === "run" ? spinner : icon(ICONS[state]);
  return html`<span class="ic">${sign}</span><span class="nm" title=${step.step}>${step.step}</span><span class="hide">, ${text.get(`state_${state}`)}</span><span class="du">${wordOf(step, state, now, text)}</span>`;
}

function fold(
  view: View,
  open: OpenJob,
  which: "before" | "after",
  count: number,
  unfolded: boolean,
  words: string,
  time: string,
): TemplateResult | typeof nothing {
  if (!count) {
    return nothing;
  }
  const toggle = () => {
    open.unfolded[which] = !unfolded;
    view.act.update();
  };
  return html`<button type="button" class="fold" data-do="fold-${which}" aria-expanded=${unfolded ? "true" : "false"} @click=${toggle}>${icon(mdiChevronDown, "chev")}<span>${words}</span><span class="du">${time}</span></button>`;
}

function chooseByKey(event: KeyboardEvent, steps: readonly Step[], choose: (step: Step) => void): void {
  const list = event.currentTarget as HTMLElement;
  const tabs = [...list.querySelectorAll<HTMLElement>("[role=tab]")];
  const now = tabs.indexOf(event.target as HTMLElement);
  const places: Partial<Record<string, number>> = {
    ArrowDown: now + 1,
    ArrowUp: now - 1,
    Home: 0,
    End: tabs.length - 1,
  };
  const place = places[event.key];
  if (place === undefined) {
    return;
  }
  event.preventDefault();
  const index = Math.max(0, Math.min(tabs.length - 1, place));
  const step = steps[index];
  if (step) {
    choose(step);
    tabs[index]?.focus();
  }
}
