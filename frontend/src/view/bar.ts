/** How far a job is: the truth is "steps done", so what runs only sweeps. */

import { html, nothing, type TemplateResult } from "lit/html.js";

import { progressOf } from "../headline";
import type { Job } from "../model";
import { barStyle, doneCount, stateOf } from "../steps";
import type { Texts } from "../text";

export function barOf(job: Job, text: Texts, className = ""): TemplateResult | typeof nothing {
  const count = job.steps.length;
  if (!count) {
    return nothing;
  }
  const done = doneCount(job);
  const { step } = progressOf(job);
  const style = barStyle(count);
  const words = done === count ? text.get("progress_all", { count }) : text.get("progress_step", { step, count });
  return html`<div
    class="bar ${style} ${className} ${job.status === "succeeded" ? "ok" : ""}"
    role="progressbar"
    aria-label=${text.get("progress")}
    aria-valuemin="0"
    aria-valuemax=${count}
    aria-valuenow=${done}
    aria-valuetext=${words}
  >${style === "plain" ? plainBar(job, done, count) : job.steps.map((each) => html`<i class=${stateOf(each, job)}></i>`)}</div>`;
}

function plainBar(job: Job, done: number, count: number): TemplateResult {
  const state = job.steps.some((step) => step.status === "failed") ? "failed" : "done";
  return html`<i class="whole"><i class=${state} style="width:${(done / count) * 100}%"></i></i>`;
}
