/** The note above the body: what failed or is in the way, and what to do. One at a time. */

import { html, nothing, type TemplateResult } from "lit/html.js";

import { mdiAlertOutline, mdiPowerPlugOffOutline } from "../body-icon-paths";
import { mdiAlertCircleOutline, mdiPauseCircleOutline } from "../icon-paths";
import { navigate } from "../home-assistant";
import { icon } from "../icons";
import type { Job } from "../model";
import { secondsUntil } from "../server-clock";
import { currentStep, type Tone } from "../steps";
import { length } from "../time";
import { adviceOf, placeOf, reasonOf, reportOf } from "../words";
import { button } from "./parts";
import { mayControl, type View } from "./view";

const INTEGRATION = "/config/integrations/integration/aws_iot_jobs";

interface Note {
  tone: Tone;
  icon: string;
  title: string;
  /** Paragraphs. */
  texts: (string | null)[];
  buttons?: (TemplateResult | null)[];
}

export function noteOf(view: View): TemplateResult | typeof nothing {
  const note = problemNote(view) ?? situationNote(view);
  if (!note) {
    return nothing;
  }
  const buttons = (note.buttons ?? []).filter((each) => each !== null);
  return html`<div class="note" data-tone=${note.tone}>
    ${icon(note.icon)}
    <div>
      <h3>${note.title}</h3>
      ${note.texts.map((text) => (text ? html`<p>${text}</p>` : nothing))}
      ${buttons.length ? html`<div class="acts">${buttons}</div>` : nothing}
    </div>
  </div>`;
}

/** What went wrong with the user's own action comes first. */
function problemNote({ store, text, act }: View): Note | null {
  if (store.problem === null) {
    return null;
  }
  const close = () => {
    store.problem = null;
    act.update();
  };
  return {
    tone: "bad",
    icon: mdiAlertCircleOutline,
    title: text.get("action_failed"),
    texts: [store.problem],
    buttons: [button(text.get("close"), close, { name: "close-problem", className: "txt" })],
  };
}

function offText({ thing, text }: View): string {
  return thing?.waiting ? text.get("off_waiting", { job: thing.waiting.job_id }) : text.get("off_text");
}

function situationNote(view: View): Note | null {
  const { situation, text, thing, home } = view;
  const settings = (words: string, path: string, name: string) =>
    home.user?.is_admin && view.options.actions
      ? button(words, () => { navigate(path); }, { name, className: "txt" })
      : null;
  const entry = thing ? `${INTEGRATION}#config_entry=${thing.entry_id}` : INTEGRATION;
  switch (situation.kind) {
    case "no_access":
      return plain("ask", mdiAlertOutline, text.get("no_access_title"), [text.get("no_access_text")]);
    case "removed":
      return {
        ...plain("ask", mdiAlertOutline, text.get("removed_title"), [text.get("removed_text")]),
        buttons: [settings(text.get("edit_card"), `${location.pathname}?edit=1`, "edit-card")],
      };
    case "not_loaded":
      return {
        ...plain("ask", mdiAlertOutline, text.get("not_loaded_title"), [text.get("not_loaded_text")]),
        buttons: [settings(text.get("open_entry"), entry, "open-entry")],
      };
    case "runner":
      return runnerNote(view, settings, entry);
    case "storage":
      return plain("bad", mdiAlertCircleOutline, text.get("storage_title"), [thing?.storage_problem ?? null]);
    case "offline":
      return {
        ...plain("ask", mdiAlertOutline, text.get("offline_title"), [offlineText(view), thing?.error ?? null]),
        buttons: [
          mayControl(view) ? actionButton(view, "try_now", "check_for_jobs") : null,
          settings(text.get("settings"), entry, "settings"),
        ],
      };
    case "failed":
      return situation.job && failureNote(view, situation.job);
    case "switched_off":
      return {
        ...plain("", mdiPauseCircleOutline, text.get("off_title"), [offText(view)]),
        buttons: [mayControl(view) ? takeJobsButton(view) : null],
      };
    default:
      return null;
  }
}

function plain(tone: Tone, name: string, title: string, texts: (string | null)[]): Note {
  return { tone, icon: name, title, texts };
}

function runnerNote(
  view: View,
  settings: (words: string, path: string, name: string) => TemplateResult | null,
  entry: string,
): Note {
  const { thing, text } = view;
  const runner = thing?.runner;
  const problem = runner?.problem;
  const app = runner?.kind === "app";
  const unreachable = problem?.kind.endsWith("unreachable") ?? true;
  const words = app
    ? text.get("runner_app")
    : text.get("runner_address", { address: runner?.address ?? "" });
  return {
    tone: "bad",
    icon: mdiPowerPlugOffOutline,
    title: unreachable ? text.get("runner_title") : (problem?.title ?? ""),
    texts: [unreachable ? words : (problem?.message ?? null)],
    buttons: [
      app
        ? settings(text.get("open_app"), appPath(runner.address), "open-app")
        : settings(text.get("reconfigure"), entry, "reconfigure"),
    ],
  };
}

/** The app's page: its host name is its slug with hyphens. */
function appPath(address: string | null): string {
  const host = address?.replace(/^https?:\/\//, "").split(":")[0];
  return host ? `/config/app/${host.replaceAll("-", "_")}/info` : "/config/apps";
}

function offlineText({ thing, text, now }: View): string {
  if (!thing?.next_try_at) {
    return text.get("offline_later");
  }
  const seconds = Math.round(secondsUntil(thing.next_try_at, now));
  return seconds > 0
    ? text.get("offline_next", { time: length(seconds, text) })
    : text.get("offline_now");
}

function failureNote(view: View, job: Job): Note {
  const { text, act, store, name } = view;
  const step = currentStep(job)?.step_index;
  const written = (index: number) =>
    (store.open?.log?.step(index)?.all ?? []).map((each) => each.line.text).join("\n");
  return {
    tone: "bad",
    icon: mdiAlertCircleOutline,
    title: reasonOf(job, text),
    texts: [placeOf(job, text), adviceOf(job, text)],
    buttons: [
      step === undefined
        ? null
        : button(text.get("open_log"), () => { act.openLog(job); }, { name: "open-log", className: "txt" }),
      button(
        text.get("copy_report"),
        (event) => { act.copy(reportOf(job, name, written, text), event.currentTarget); },
        { name: "copy-report", className: "txt" },
      ),
    ],
  };
}

function actionButton({ store, text }: View, key: "try_now", action: string): TemplateResult {
  return button(text.get(key), () => { void store.act(key, () => store.api.act(action)); }, {
    name: key.replace("_", "-"),
    className: "txt",
    busy: store.busy === key,
  });
}

function takeJobsButton({ store, thing, text }: View): TemplateResult | null {
  const entity = thing?.entities.take_jobs;
  const take = () => { void store.act("take_jobs", () => store.api.turn(entity ?? "", true)); };
  return entity
    ? button(text.get("take_jobs"), take, {
        name: "take-jobs",
        className: "txt",
        busy: store.busy === "take_jobs",
      })
    : null;
}
