/** A job's id, its time, the button to stop or to close it, and its bar. */

import { html, nothing, type TemplateResult } from "lit/html.js";

import { mdiClose, mdiStopCircleOutline } from "../body-icon-paths";
import { icon, spinner } from "../icons";
import { hasEnded, type Job } from "../model";
import { secondsBetween } from "../server-clock";
import { digital, length } from "../time";
import { idOf } from "./parts";
import { mayControl, type View } from "./view";

export function titleOf(view: View, job: Job): TemplateResult {
  const { text, now } = view;
  const ended = hasEnded(job);
  const time = ended
    ? html`<span class="ago">${job.duration === null ? nothing : text.get("took", { time: length(job.duration, text) })}</span>`
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
  ><span class="ic" data-tone=${ended ? "" : "bad"}>${busy ? spinner : icon(ended ? mdiClose : mdiStopCircleOutline)}</span>${ended ? nothing : html`<span class="tx">${text.get("stop")}</span>`}</button>`;
}
