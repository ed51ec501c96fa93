/** The last jobs: a strip that tells how it has been going, and a row each. */

import { html, nothing, type TemplateResult } from "lit/html.js";
import { repeat } from "lit/directives/repeat.js";

import {
  mdiCancel,
  mdiCheckCircle,
  mdiCircleOutline,
  mdiCloseCircle,
  mdiTimerAlertOutline,
} from "../body-icon-paths";
import { mdiChevronDown, mdiClipboardClockOutline, mdiTrashCanOutline } from "../icon-paths";
import { icon } from "../icons";
import { type Job, type JobStatus, keyOf } from "../model";
import { currentStep } from "../steps";
import { stripOf, TONE_OF_RESULT } from "../strip";
import { length } from "../time";
import { resultOf } from "../words";
import { outputOf } from "./output";
import { button, idOf } from "./parts";
import { stepList } from "./steps";
import type { View } from "./view";

const ICONS: Record<JobStatus, string> = {
  in_progress: mdiCircleOutline,
  awaiting_approval: mdiClipboardClockOutline,
  succeeded: mdiCheckCircle,
  failed: mdiCloseCircle,
  timed_out: mdiTimerAlertOutline,
  rejected: mdiCancel,
  canceled: mdiCancel,
  removed: mdiTrashCanOutline,
};

export interface HistoryOptions {
  /** Whether something else is shown above: then it is one line, unless it is opened. */
  below: boolean;
  wrap: boolean;
  onWrap: () => void;
}

export function historyOf(view: View, options: HistoryOptions): TemplateResult | typeof nothing {
  const { history, text, store, prefix, options: set } = view;
  if (set.history === "hidden" || (!history.length && !view.job)) {
    return nothing;
  }
  const openBySelf = set.history === "open" || (set.history === "auto" && !options.below);
  const open = store.historyOpen ?? openBySelf;
  const heading = html`<h3>${text.get("last_jobs")}</h3>${strip(view)}`;
  if (openBySelf && set.history !== "folded") {
    return html`<section class="hist" aria-label=${text.get("last_jobs")}><div class="hhead">${heading}</div>${rows(view, options)}</section>`;
  }
  const toggle = () => {
    store.historyOpen = !open;
    view.act.update();
  };
  return html`<section class="hist" aria-label=${text.get("last_jobs")}>
    <button type="button" class="hhead" data-do="history" aria-expanded=${open ? "true" : "false"} aria-controls="${prefix}hist" @click=${toggle}>${heading}${icon(mdiChevronDown, "chev")}</button>
    <div id="${prefix}hist" ?hidden=${!open}>${open ? rows(view, options) : nothing}</div>
  </section>`;
}

function strip({ history, job, now, text }: View): TemplateResult {
  const bars = stripOf(history, job, now);
  return html`<span class="strip" aria-hidden="true" title=${text.get("strip_help")}>${bars.map(
    ({ tone, height }) => html`<i data-tone=${tone} style="--h:${height.toFixed(2)}"></i>`,
  )}</span>`;
}

function rows(view: View, options: HistoryOptions): TemplateResult {
  const { history, store, text, options: set } = view;
  const count = store.allRows ? history.length : set.historyRows;
  const more = history.length > set.historyRows;
  const toggle = () => {
    store.allRows = !store.allRows;
    view.act.update();
  };
  const words = store.allRows ? text.get("show_fewer") : text.get("show_all", { count: history.length });
  return html`<ul>${repeat(history.slice(0, count), keyOf, (job, index) => row(view, job, index, options))}</ul>
    ${more ? html`<div class="hend">${button(words, toggle, { name: "show-all", className: "txt" })}</div>` : nothing}`;
}

function row(view: View, job: Job, index: number, options: HistoryOptions): TemplateResult {
  const { store, text, clock, now, prefix } = view;
  const open = store.row?.key === keyOf(job);
  const tone = TONE_OF_RESULT[job.status];
  const loud = tone === "bad" || tone === "ask";
  const ended = job.ended_at ? new Date(job.ended_at) : null;
  const id = `${prefix}h${index}`;
  return html`<li>
    <button
      type="button"
      class="hrow"
      data-job=${job.job_id}
      data-status=${job.status}
      aria-expanded=${open ? "true" : "false"}
      aria-controls=${id}
      @click=${() => { store.toggleRow(job); }}
    >
      <span class="ic" data-tone=${tone}>${icon(ICONS[job.status])}</span>
      <span class="what">${idOf(job.job_id)}<span class="sub" data-tone=${loud ? tone : nothing}>${job.status === "succeeded" || job.status === "failed" ? html`<span class="hide">${text.get(`result_${job.status}`)}, </span>` : nothing}${resultOf(job, text)}</span></span>
      <span class="when" title=${ended ? clock.exact(ended) : nothing}><b>${ended ? clock.short(ended, now, text) : "–"}</b>${job.duration === null ? "–" : length(job.duration, text)}</span>
      ${icon(mdiChevronDown, "chev")}
    </button>
    <div class="detail" id=${id} ?hidden=${!open}>${open ? detail(view, job, options) : nothing}</div>
  </li>`;
}

function detail(view: View, job: Job, { wrap, onWrap }: HistoryOptions): TemplateResult {
  const step = currentStep(job);
  const open = view.store.row;
  return html`${job.steps.length ? stepList(view, job) : nothing}
    ${step && open ? outputOf(view, job, step, open, { past: true, wrap, onWrap }) : nothing}`;
}
