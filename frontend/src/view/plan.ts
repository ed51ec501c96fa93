/** What a document would run: exactly, step by step, with what would be in the way. */

import { html, nothing, type TemplateResult } from "lit/html.js";

import { mdiAccountOutline, mdiConsole, mdiTimerOutline } from "../body-icon-paths";
import { mdiAlertCircleOutline } from "../icon-paths";
import { breakable, quoted, splitPath } from "../argv";
import { icon } from "../icons";
import type { Plan, PlannedStep } from "../model";
import type { Texts } from "../text";
import { length } from "../time";

export function planOf(plan: Plan, text: Texts): TemplateResult {
  return html`${faultOf(plan, text)}
    ${plan.steps.length
      ? html`<ol class="plan" aria-label=${text.get("plan")}>${plan.steps.map((step) => stepOf(step, plan, text))}</ol>`
      : nothing}`;
}

function faultOf(plan: Plan, text: Texts): TemplateResult | typeof nothing {
  const fault = (tone: string, title: string, words: string) =>
    html`<div class="note" data-tone=${tone}>${icon(mdiAlertCircleOutline)}<div><h3>${title}</h3><p>${words}</p></div></div>`;
  if (!plan.valid) {
    return fault("bad", text.get("plan_invalid"), plan.problem ?? "");
  }
  if (!plan.conditions_met) {
    return fault("ask", text.get("plan_not_for_this"), plan.unmet_condition ?? "");
  }
  return plan.unchecked === null ? nothing : fault("ask", text.get("plan_unchecked"), plan.unchecked);
}

function stepOf(step: PlannedStep, plan: Plan, text: Texts): TemplateResult {
  const command = step.kind === "command";
  return html`<li data-step=${step.step_index}>
    <span class="n" aria-hidden="true">${step.step_index}</span>
    <div class="t">
      <span class="nm" title=${step.step}>${step.step}</span>
      ${command
        ? html`<span class="kind cap ink" data-tone="ask">${icon(mdiConsole)}${text.get("command")}</span>`
        : html`<span class="kind cap">${text.get(step.kind)}</span>`}
    </div>
    ${commandOf(step, command)}
    ${step.problem === null
      ? nothing
      : html`<p class="fault" data-tone="bad">${icon(mdiAlertCircleOutline)}${step.problem}</p>`}
    ${plan.conditions_met ? nothing : html`<p class="cap meta">${text.get("plan_not_run")}</p>`}
    ${metaOf(step, command, text)}
  </li>`;
}

/** Each argument is one word that does not break, as long as it fits. */
function commandOf({ command, problem }: PlannedStep, risk: boolean): TemplateResult {
  const tone = problem === null ? (risk ? "risk" : "") : "risk bad";
  return html`<code class="cmd ${tone}">${command.map((argument, index) => html`${index ? " " : nothing}${index ? word(quoted(argument)) : program(argument)}`)}</code>`;
}

function program(path: string): TemplateResult {
  const [folder, name] = splitPath(path);
  return folder && quoted(path) === path
    ? html`<b><i>${pieces(folder)}</i><b>${name}</b></b>`
    : word(quoted(path));
}

function word(argument: string): TemplateResult {
  return html`<b>${pieces(argument)}</b>`;
}

function pieces(argument: string) {
  return breakable(argument).map((piece) => html`${piece}<wbr />`);
}

function metaOf(step: PlannedStep, command: boolean, text: Texts): TemplateResult | typeof nothing {
  const user = step.run_as_user;
  const root = step.acts_as_root || user === "root";
  const who = command
    ? user || root
      ? text.get("runs_as", { user: user || "root" })
      : null
    : root
      ? text.get("told_root")
      : user
        ? text.get("told_user", { user })
        : null;
  if (who === null && step.timeout === null) {
    return nothing;
  }
  return html`<div class="meta cap" data-tone="ask">
    ${who === null ? nothing : html`<span class=${root ? "warn" : ""}>${icon(mdiAccountOutline)}${who}</span>`}
    ${step.timeout === null
      ? nothing
      : html`<span>${icon(mdiTimerOutline)}${text.get("time_limit", { time: length(step.timeout, text) })}</span>`}
  </div>`;
}

/** Whether nothing is known to be in its way. */
export function isClean(plan: Plan): boolean {
  return plan.valid && plan.conditions_met && plan.steps.every((step) => step.problem === null);
}
