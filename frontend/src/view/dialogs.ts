/** What stands in each of the card's dialogs. */

import { html, type TemplateResult } from "lit/html.js";

import { mdiDownload, mdiWrap, mdiWrapDisabled } from "../body-icon-paths";
import type { WholeLog } from "../log/whole-log";
import type { Job } from "../model";
import type { ThingStore } from "../thing";
import { length } from "../time";
import { resultOf } from "../words";
import { bodyOf } from "./body";
import { type Dialog, dialogOf } from "./dialog";
import { documentContent, type DocumentDraft, documentFooter } from "./document-dialog";
import { headOf } from "./head";
import { logContent } from "./log-dialog";
import { button, iconButton } from "./parts";
import type { View, Wrapping } from "./view";

const LONGEST_REASON = 200;

export type Opened = { store: ThingStore; open: boolean } & (
  | { kind: "full" }
  | { kind: "log"; log: WholeLog }
  | { kind: "document"; draft: DocumentDraft }
  | { kind: "stop"; job: Job }
  | { kind: "reject"; job: Job; reason: string }
);

/** The dialog as it is now. `closed` is called when it is not to be seen any more. */
export function dialogTemplate(opened: Opened, view: View, wrapping: Wrapping, closed: () => void): TemplateResult {
  return dialogOf(frameOf(opened, view, wrapping, closed));
}

function frameOf(opened: Opened, view: View, wrapping: Wrapping, onClosed: () => void): Dialog {
  const { text, store, clock, act } = view;
  const close = () => {
    opened.open = false;
    act.update();
  };
  const frame = {
    name: opened.kind,
    open: opened.open,
    closeWords: text.get("close"),
    onClose: close,
    onClosed,
  };
  const choices = (no: string, yes: string, deed: () => void) => html`
    ${button(no, close, { name: "cancel" })}${button(yes, deed, { name: "confirm", tone: "bad" })}`;
  switch (opened.kind) {
    case "full":
      return {
        ...frame,
        title: text.get("card_name"),
        width: "medium",
        content: html`<div class="whole">${headOf(view)}${bodyOf(view, wrapping)}</div>`,
      };
    case "log": {
      const { log } = opened;
      const { job } = log;
      const wrap = iconButton(text.get("wrap"), wrapping.onWrap, { icon: wrapping.wrap ? mdiWrap : mdiWrapDisabled, name: "wrap", pressed: wrapping.wrap });
      const download = iconButton(text.get("download"), () => { act.download(job); }, { icon: mdiDownload, name: mdiDownload });
      const ended = job.ended_at ? [clock.exact(new Date(job.ended_at))] : [];
      const took = job.duration === null ? [] : [length(job.duration, text)];
      return {
        ...frame,
        title: job.job_id,
        subtitle: [resultOf(job, text), ...ended, ...took].join(" · "),
        width: "large",
        actions: html`${wrap}${download}`,
        content: logContent({ log, text, clock, wrap: wrapping.wrap }),
      };
    }
    case "document":
      return {
        ...frame,
        title: text.get("document_title"),
        width: "large",
        content: documentContent(opened.draft, view.name, text),
        footer: documentFooter(opened.draft, text, close),
      };
    case "stop": {
      const step = opened.job.steps.find((each) => each.status === "in_progress")?.step;
      const stop = () => {
        close();
        void store.act("stop", () => store.api.act("stop_job", { job_id: opened.job.job_id }));
      };
      return {
        ...frame,
        title: text.get("stop_title"),
        width: "small",
        content: html`<p>${step ? text.get("stop_text", { step }) : text.get("stop_text_bare")}</p>`,
        footer: choices(text.get("keep_running"), text.get("stop_job"), stop),
      };
    }
    case "reject": {
      const reject = () => {
        close();
        const reason = opened.reason.trim();
        const data = { job_id: opened.job.job_id, ...(reason ? { reason } : {}) };
        void store.act("reject", () => store.api.act("reject_job", data));
      };
      return {
        ...frame,
        title: text.get("reject_title"),
        width: "small",
        content: html`<p>${text.get("reject_text", { job: opened.job.job_id })}</p>
          <label class="field"><span class="cap">${text.get("reject_reason")}</span>
            <input
              autofocus
              maxlength=${LONGEST_REASON}
              .value=${opened.reason}
              @input=${(event: InputEvent) => { opened.reason = (event.target as HTMLInputElement).value; }}
              @keydown=${(event: KeyboardEvent) => {
                if (event.key === "Enter") {
                  reject();
                }
              }}
            /></label>`,
        footer: choices(text.get("cancel"), text.get("reject_confirm"), reject),
      };
    }
  }
}
