/** Everything below the head of a thing. */

import { html, nothing, type TemplateResult } from "lit/html.js";

import { mdiContentCopy } from "../body-icon-paths";
import { iconButton } from "./parts";
import { hasFailed, type Job } from "../model";
import { approvalOf } from "./approval";
import { barOf } from "./bar";
import { historyOf } from "./history";
import { noteOf } from "./note";
import { outputOf } from "./output";
import { chosenStep, stepTabs } from "./steps";
import { titleOf } from "./title";
import type { View, Wrapping } from "./view";

export function bodyOf(view: View, wrapping: Wrapping): TemplateResult {
  const { situation } = view;
  if (situation.kind === "empty" && view.store.problem === null) {
    return emptyOf(view);
  }
  const note = noteOf(view);
  const work = situation.job ? workOf(view, situation.job, wrapping) : nothing;
  const above = note !== nothing || work !== nothing;
  const known = !["loading", "no_access", "removed", "not_loaded"].includes(situation.kind);
  return html`${above ? html`<div class="body">${note}${work}</div>` : nothing}
    ${known ? historyOf(view, { below: above, ...wrapping }) : nothing}`;
}

function workOf(view: View, job: Job, wrapping: Wrapping): TemplateResult {
  const { kind } = view.situation;
  if (kind === "approval" || kind === "fetching") {
    return approvalOf(view, job);
  }
  const { open } = view.store;
  const step = open && chosenStep(open, job);
  // The note of a failure tells how far it came.
  const bar = hasFailed(job) ? nothing : barOf(job, view.text);
  return html`<div class="top">${titleOf(view, job)}${bar}</div>
    ${open && step
      ? html`<div class="work split" style="--n:${job.steps.length}">${stepTabs(view, job, open)}${outputOf(view, job, step, open, { past: false, ...wrapping })}</div>`
      : nothing}`;
}

/** Ready for its first job: how to make one. */
function emptyOf({ text, thing, act }: View): TemplateResult {
  const name = thing?.thing_name ?? "";
  const command = [
    "aws iot create-job --job-id hello-1 \\",
    "    --document file://hello.json \\",
    "    --targets $(aws iot describe-thing --thing-name " + name + " \\",
    "        --query thingArn --output text)",
  ].join("\n");
  const copy = (event: Event) => { act.copy(command, event.currentTarget); };
  return html`<div class="blank">
    <h3>${text.get("empty_title")}</h3>
    <p>${text.get("empty_text", { thing: name })}</p>
    <div class="out">
      <div class="outbar"><span class="lbl">AWS CLI</span>${iconButton(text.get("copy"), copy, { icon: mdiContentCopy, name: "copy", small: true })}</div>
      <pre class="log cli" tabindex="0" role="group" aria-label="AWS CLI">${command}</pre>
    </div>
  </div>`;
}
