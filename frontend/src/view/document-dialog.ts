/** Run a document without AWS: paste, check, see what would run, run. */

import { html, nothing, type TemplateResult } from "lit/html.js";

import { mdiCheck, mdiCheckCircle } from "../body-icon-paths";
import { mdiAlertCircleOutline, mdiPlayOutline } from "../icon-paths";
import { messageOf } from "../home-assistant";
import { icon } from "../icons";
import type { Plan } from "../model";
import type { Texts } from "../text";
import type { ThingStore } from "../thing";
import { button } from "./parts";
import { isClean, planOf } from "./plan";

/** After this long without an answer the job has begun: the answer comes at its end. */
const BEGUN_MS = 1500;

/** What stands in the dialog, and what came of it. */
export class DocumentDraft {
  document = "";
  /** What the document would do, as it was when it was checked. */
  plan: Plan | null = null;
  problem: string | null = null;
  busy: "" | "check" | "run" = "";
  readonly #store: ThingStore;
  readonly #changed: () => void;

  constructor(store: ThingStore, changed: () => void) {
    this.#store = store;
    this.#changed = changed;
  }

  /** What was checked is not what stands here now. */
  write(document: string): void {
    this.document = document;
    this.plan = null;
    this.problem = null;
    this.#changed();
  }

  async check(): Promise<void> {
    await this.#do("check", async () => {
      const { document } = this;
      const plan = await this.#store.api.checkDocument(document);
      if (document === this.document) {
        this.plan = plan;
      }
    });
  }

  /** Calls back once the job has begun. What fails later is told on the card. */
  async run(begun: () => void): Promise<void> {
    await this.#do("run", async () => {
      const answer = this.#store.api.runDocument(this.document);
      const waited = new Promise((resolve) => setTimeout(resolve, BEGUN_MS));
      await Promise.race([answer, waited]);
      answer.catch((error: unknown) => {
        this.#store.problem = messageOf(error);
        this.#changed();
      });
      begun();
    });
  }

  async #do(what: "check" | "run", deed: () => Promise<void>): Promise<void> {
    this.busy = what;
    this.problem = null;
    this.#changed();
    try {
      await deed();
    } catch (error) {
      this.problem = messageOf(error);
    }
    this.busy = "";
    this.#changed();
  }
}

export function documentContent(draft: DocumentDraft, thing: string, text: Texts): TemplateResult {
  const { plan, problem } = draft;
  return html`<p class="told">${text.get("document_text", { thing })}</p>
    <textarea
      class="doc"
      autofocus
      spellcheck="false"
      autocapitalize="off"
      rows="10"
      dir="ltr"
      aria-label=${text.get("document_label")}
      placeholder='{"version": "1.0", "steps": […]}'
      .value=${draft.document}
      @input=${(event: InputEvent) => { draft.write((event.target as HTMLTextAreaElement).value); }}
    ></textarea>
    <div role="status">
      ${problem === null ? nothing : html`<div class="note" data-tone="bad">${icon(mdiAlertCircleOutline)}<div><p>${problem}</p></div></div>`}
      ${plan
        ? html`<p class="cap verdict" data-tone=${isClean(plan) ? "ok" : "bad"}>${icon(isClean(plan) ? mdiCheckCircle : mdiAlertCircleOutline)}${text.get(isClean(plan) ? "document_clean" : "document_fault")}</p>`
        : nothing}
    </div>
    ${plan ? planOf(plan, text) : nothing}`;
}

export function documentFooter(draft: DocumentDraft, text: Texts, begun: () => void): TemplateResult {
  const { busy, plan } = draft;
  return html`${button(text.get("check"), () => void draft.check(), { name: "check-document", icon: mdiCheck, busy: busy === "check", disabled: busy !== "" || !draft.document.trim() })}
  ${button(text.get("run"), () => void draft.run(begun), { name: "run-document", icon: mdiPlayOutline, tone: "ok", busy: busy === "run", disabled: busy !== "" || !plan || !isClean(plan) })}`;
}
