/** A job's id, its time, the button to stop or to close it, and its bar. */

import { html, nothing, type TemplateResult } from "lit/html.js";

import { progressOf } from "../headline";
import { icon, spinner } from "../icons";
import { hasEnded, type Job } from "../model";
import { secondsBetween } from "../server-clock";
import { barStyle, doneCount, stateOf } from "../steps";
import type { Texts } from "../text";
import { digital, length } from "../time";
import { idOf } from "./parts";
import { mayControl, type View } from "./view";

export function titleOf(view: View, job: Job): TemplateResult {
  const { text, now } = view;
  const ended = hasEnded(job);
  const time = ended
    ? job.duration === null
      ? nothing
      : html`<span class="ago">${text.get("took", { time: length(job.duration, text) })}</span>`
    : html`<span class="clock" role="timer" aria-live="off">${digital(secondsBetween(job.started_at, now))}</span>`;
  return html`<div class="title"><h3>${idOf(job.job_id)}</h3>${time}${titleButton(view, job, ended)}</div>`;
}

/** One button at one spot: it keeps the focus when the job ends. */
function titleButton(view: View, job: Job, ended: boolean): TemplateResult | typeof nothing {
  const { text, store, act } = view;
  if (!ended && !mayControl(view)) {
    return nothing;
  }
  const busy = store.busy === "stop";
  const words = text.get(ended ? "close_job" : "stop_job");
  return html`<button
    type="button"
    class="btn pill ${ended ? "x" : ""}"
    data-do=${ended ? "close" : "stop"}
    title=${words}
    aria-label=${words}
    ?disabled=${busy}
    aria-busy=${busy ? "true" : nothing}
    @click=${() => {
      if (ended) {
        store.close(job);
      } else {
        act.stop(job);
      }
    }}
  ><span class="ic" data-tone=${ended ? "" : "bad"}>${busy ? spinner : icon(ended ? "close" : "stop-circle-outline")}</span>${ended ? nothing : html`<span class="tx">${text.get("stop")}</span>`}</button>`;
}

/** The bar: a segment a step. What runs has no length, so it only sweeps. */
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
