/** A job that waits for approval: what it would run, and the two buttons. */

import { html, nothing, type TemplateResult } from "lit/html.js";

import { mdiCheck, mdiClose } from "../body-icon-paths";
import { receivedLine } from "../headline";
import type { Job } from "../model";
import { secondsUntil } from "../server-clock";
import { length } from "../time";
import { planSize } from "../words";
import { button, idOf } from "./parts";
import { planOf } from "./plan";
import { mayAdminister, type View } from "./view";

export function approvalOf(view: View, job: Job): TemplateResult {
  const { text, store, thing, situation } = view;
  const state = store.plan;
  const title = html`<div class="title"><h3>${idOf(job.job_id)}</h3></div>`;
  if (!thing?.may.administer) {
    return html`<div>${title}<p class="cap">${viewerLine(view, job)}</p></div>`;
  }
  const plan = state?.plan ?? null;
  return html`<div>${title}<p class="cap">${receivedLine(job, plan && planSize(plan, text), view)}</p></div>
    ${state?.changed ? html`<p class="note" data-tone="ask">${text.get("document_changed")}</p>` : nothing}
    ${plan ? planOf(plan, text) : nothing}
    ${state?.error == null ? nothing : html`<p class="fault" data-tone="bad">${state.error}</p>`}
    ${situation.kind === "approval" && mayAdminister(view) ? decision(view, job, plan !== null) : nothing}`;
}

/** Approve asks nothing more: the plan above is what is confirmed. */
function decision({ text, store, act, now }: View, job: Job, shown: boolean): TemplateResult {
  const approve = () => {
    void store.act("approve", () => store.api.act("approve_job", { job_id: job.job_id }));
  };
  const seconds = job.approval ? secondsUntil(job.approval.expires_at, now) : 0;
  return html`<div class="two">
      ${button(text.get("approve"), approve, { name: "approve", icon: mdiCheck, tone: "ok", busy: store.busy === "approve", disabled: !shown || store.busy !== null })}
      ${button(text.get("reject"), () => { act.reject(job); }, { name: "reject", icon: mdiClose, busy: store.busy === "reject", disabled: store.busy !== null })}
    </div>
    <p class="cap c">${seconds > 0
      ? text.get("rejected_by_itself", { time: length(seconds, text) })
      : text.get("rejected_by_itself_now")}</p>`;
}

function viewerLine(view: View, job: Job): string {
  const { text, now } = view;
  const received = receivedLine(job, null, view);
  const seconds = job.approval ? secondsUntil(job.approval.expires_at, now) : 0;
  return text.get("received_viewer", { received, time: length(seconds, text) });
}
