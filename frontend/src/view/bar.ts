/** How far a job is: in steps that are done. What runs sweeps, unless it says how far it is. */

import { html, nothing, type TemplateResult } from "lit/html.js";

import { progressWords } from "../headline";
import type { Job, Step } from "../model";
import { barStyle, doneCount, shareOf, stateOf, type StepState } from "../steps";
import type { Texts } from "../text";

export function barOf(job: Job, text: Texts, className = ""): TemplateResult | typeof nothing {
  const count = job.steps.length;
  if (!count) {
    return nothing;
  }
  const done = doneCount(job);
  const style = barStyle(count);
  return html`<div
    class="bar ${style} ${className} ${job.status === "succeeded" ? "ok" : ""}"
    role="progressbar"
    aria-label=${text.get("progress")}
    aria-valuemin="0"
    aria-valuemax=${count}
    aria-valuenow=${done}
    aria-valuetext=${progressWords(job, text)}
  >${style === "plain" ? plainBar(job) : job.steps.map((each) => segment(each, stateOf(each, job)))}</div>`;
}

function segment({ percent }: Step, state: StepState): TemplateResult {
  return state === "run" && percent !== null
    ? html`<i class="run part" style="--part:${percent}%"></i>`
    : html`<i class=${state}></i>`;
}

function plainBar(job: Job): TemplateResult {
  const state = job.steps.some((step) => step.status === "failed") ? "failed" : "done";
  return html`<i class="whole"><i class=${state} style="width:${shareOf(job) * 100}%"></i></i>`;
}
