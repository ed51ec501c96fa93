/** The output of one step: one fixed place and height, live where it runs. */

import { html, nothing, type TemplateResult } from "lit/html.js";

import {
  mdiArrowDown,
  mdiContentCopy,
  mdiDownload,
  mdiMagnify,
  mdiPause,
  mdiPlay,
  mdiWrap,
  mdiWrapDisabled,
} from "../body-icon-paths";
import { icon } from "../icons";
import type { JobLog } from "../log/job-log";
import { pane } from "../log/pane";
import type { Job, Step } from "../model";
import { stateOf } from "../steps";
import type { OpenJob } from "../thing";
import { iconButton } from "./parts";
import type { View } from "./view";

export interface OutputOptions {
  /** Of a job of the past: it names no step, and opens the whole log. */
  past: boolean;
  wrap: boolean;
  onWrap: () => void;
}

export function outputOf(
  view: View,
  job: Job,
  step: Step,
  { reading, log }: OpenJob,
  { past, wrap, onWrap }: OutputOptions,
): TemplateResult | typeof nothing {
  if (!log) {
    return nothing;
  }
  const { text, prefix, act } = view;
  const state = stateOf(step, job);
  const live = state === "run";
  const lines = log.step(step.step_index);
  const missed = reading.paused && lines ? Math.max(0, lines.end - reading.drawn) : 0;
  const pause = () => {
    reading.paused = reading.paused ? "" : "button";
    act.update();
  };
  const copy = (event: Event) => {
    const written = (lines?.all ?? []).map((each) => each.line.text).join("\n");
    act.copy(written, event.currentTarget);
  };
  const paused = reading.paused !== "";
  const id = past ? nothing : `${prefix}out`;
  return html`<div
    class="out"
    id=${id}
    role=${past ? nothing : "tabpanel"}
    aria-labelledby=${past ? nothing : `${prefix}t${step.step_index}`}
  >
    <div class="outbar">
      <span class="lbl">${text.get("output")}${past ? nothing : html` <b>${step.step}</b>`}</span>
      ${live && !paused ? html`<span class="live">${text.get("live")}</span>` : nothing}
      ${past
        ? [
            iconButton(text.get("open_log"), () => { act.openLog(job); }, { icon: mdiMagnify, name: "open-log", small: true }),
            iconButton(text.get("download"), () => { act.download(job); }, { icon: mdiDownload, name: mdiDownload, small: true }),
          ]
        : nothing}
      ${iconButton(text.get("wrap"), onWrap, { icon: wrap ? mdiWrap : mdiWrapDisabled, name: "wrap", small: true, pressed: wrap })}
      ${iconButton(text.get("copy"), copy, { icon: mdiContentCopy, name: "copy", small: true })}
      ${live
        ? iconButton(text.get(paused ? "follow" : "pause"), pause, { icon: paused ? mdiPlay : mdiPause, name: "pause", small: true, pressed: paused })
        : nothing}
    </div>
    <pre
      class="log ${wrap ? "" : "nowrap"}"
      role="log"
      aria-live="off"
      tabindex="0"
      aria-label=${text.get("output_of", { step: step.step })}
      ${pane({ log, step: step.step_index, reading, text, empty: emptyWords(view, job, step, log), onChange: () => { act.update(); } })}
    ></pre>
    ${paused && missed
      ? html`<button type="button" class="more" data-do="follow" @click=${pause}>${icon(mdiArrowDown)}${text.get("new_lines", { count: missed })}</button>`
      : nothing}
  </div>`;
}

/** What is said in place of lines. */
function emptyWords({ text }: View, job: Job, step: Step, log: JobLog): string {
  const state = stateOf(step, job);
  if (state === "wait") {
    return text.get("not_run_yet");
  }
  if (state === "skipped") {
    return text.get("not_run");
  }
  if (log.error !== null) {
    return `${text.get("log_not_read")} ${log.error}`;
  }
  if (!log.knows(step.step_index)) {
    return "";
  }
  return text.get(state === "run" ? "no_output_yet" : "no_output");
}
