/** A dialog: Home Assistant's, a bottom sheet on a phone, or a plain one where that is missing. */

import { html, nothing, type TemplateResult } from "lit/html.js";

import { drawn } from "../drawn";
import { mdiClose } from "../body-icon-paths";
import { iconButton } from "./parts";

export interface Dialog {
  /** Finds it: by tests. */
  name: string;
  title: string;
  subtitle?: string;
  width: "small" | "medium" | "large";
  open: boolean;
  /** Beside the title. */
  actions?: TemplateResult | typeof nothing;
  content: TemplateResult;
  footer?: TemplateResult;
  closeWords: string;
  /** Asked to close, by the user. */
  onClose: () => void;
  /** It is not to be seen any more. */
  onClosed: () => void;
}

export function dialogOf(dialog: Dialog): TemplateResult {
  return customElements.get("ha-adaptive-dialog") ? adaptive(dialog) : plain(dialog);
}

function adaptive(dialog: Dialog): TemplateResult {
  return html`<ha-adaptive-dialog
    class="dialog"
    data-dialog=${dialog.name}
    .headerTitle=${dialog.title}
    .headerSubtitle=${dialog.subtitle}
    .width=${dialog.width}
    .open=${dialog.open}
    @opened=${focusFirst}
    @after-show=${focusFirst}
    @closed=${(event: Event) => {
      if (event.target === event.currentTarget) {
        dialog.onClosed();
      }
    }}
  >
    ${dialog.actions ? html`<div slot="headerActionItems" class="jobs sheet tools">${dialog.actions}</div>` : nothing}
    <div class="jobs sheet of-${dialog.name}">${dialog.content}</div>
    ${dialog.footer ? html`<div slot="footer" class="jobs sheet foot">${dialog.footer}</div>` : nothing}
  </ha-adaptive-dialog>`;
}

function plain(dialog: Dialog): TemplateResult {
  return html`<dialog
    class="jobs sheet dlg ${dialog.width}"
    data-dialog=${dialog.name}
    aria-label=${dialog.title}
    ${drawn(dialog.open, (element) => { turn(element as HTMLDialogElement, dialog.open); })}
    @close=${dialog.onClosed}
  >
    <div class="dh">
      ${iconButton(dialog.closeWords, dialog.onClose, { icon: mdiClose, name: "close-dialog" })}
      <div class="who"><h2 class="dt">${dialog.title}</h2>${dialog.subtitle ? html`<p class="line">${dialog.subtitle}</p>` : nothing}</div>
      ${dialog.actions ?? nothing}
    </div>
    <div class="of-${dialog.name}">${dialog.content}</div>
    ${dialog.footer ? html`<div class="foot">${dialog.footer}</div>` : nothing}
  </dialog>`;
}

/** Home Assistant's dialog does not find what wants the focus; its own children it would. */
function focusFirst(event: Event): void {
  if (event.target === event.currentTarget) {
    const wanted = (event.currentTarget as HTMLElement).querySelector<HTMLElement>("[autofocus]");
    if (!wanted?.matches(":focus")) {
      wanted?.focus();
    }
  }
}

/** Opens a dialog once it is in the page, and closes it so that the focus goes back. */
function turn(element: HTMLDialogElement, open: boolean): void {
  queueMicrotask(() => {
    if (open && element.isConnected) {
      element.showModal();
    } else {
      element.close();
    }
  });
}
