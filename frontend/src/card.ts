/** The card: one thing or several, whole or as tiles, with their dialogs. */

import { html, nothing, render, type TemplateResult } from "lit/html.js";
import { repeat } from "lit/directives/repeat.js";

import { mdiClipboardTextOutline } from "./icon-paths";
import { Announcer, newsOf } from "./announcer";
import { type CardConfig, nameOf, type Options, optionsOf, TAG, thingsOf } from "./config";
import type { Connection, HomeAssistant } from "./home-assistant";
import { messageOf, navigate } from "./home-assistant";
import { icon } from "./icons";
import { type Job, keyOf } from "./model";
import { bodyPart, dialogPart } from "./part";
import { provisionalKind } from "./provisional";
import { opensByItself, rankOf } from "./situation";
import { styleSheet } from "./styles";
import { loadTexts, type Texts } from "./text";
import { ThingStore } from "./thing";
import { Clock } from "./time";
import { headOf, rowOf, tileOf } from "./view/head";
import type { Opened } from "./view/dialogs";
import { button } from "./view/parts";
import type { Deeds, View, Wrapping } from "./view/view";

type DialogPart = typeof import("./dialog-part");

const TICK_MS = 1000;
const SLOW_TICK_MS = 20_000;
const COPIED_MS = 2000;

export class JobsCard extends HTMLElement {
  readonly #root: ShadowRoot;
  readonly #announcer = new Announcer(() => { this.#update(); });
  readonly #stores = new Map<string, ThingStore>();
  /** The job that was told of last, for each thing. */
  readonly #told = new Map<ThingStore, { job: Job | null; problem: string | null }>();
  #options: Options | null = null;
  #home: HomeAssistant | null = null;
  #text: Texts | null = null;
  #clock: Clock | null = null;
  #connection: Connection | null = null;
  #wrap: boolean | null = null;
  #order: string[] = [];
  /** The thing that the user has opened among several; undefined: none was chosen. */
  #openThing: string | null | undefined;
  #dialogs: Opened[] = [];
  #pending = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super();
    this.#root = this.attachShadow({ mode: "open" });
    this.#root.adoptedStyleSheets = [styleSheet()];
  }

  /** Home Assistant gives what the user has set; an error is shown in place of the card. */
  setConfig(config: CardConfig): void {
    this.#options = optionsOf(config);
    this.toggleAttribute("fixed", this.#options.fixed);
    this.#wrap = null;
    this.#openThing = undefined;
    this.#syncStores();
    this.#update();
  }

  set hass(home: HomeAssistant) {
    const before = this.#home;
    this.#home = home;
    if (before?.connection !== home.connection) {
      this.#listen();
    }
    if (before?.language !== home.language || before.locale !== home.locale) {
      void this.#speak(home);
    }
    if (before?.devices !== home.devices) {
      this.#syncStores();
    }
    if (
      before?.devices !== home.devices ||
      before.user !== home.user ||
      [...this.#stores.values()].some((store) => store.access === "loading")
    ) {
      this.#update();
    }
  }

  connectedCallback(): void {
    document.addEventListener("visibilitychange", this.#seen);
    this.#listen();
    this.#syncStores();
    this.#update();
  }

  disconnectedCallback(): void {
    document.removeEventListener("visibilitychange", this.#seen);
    this.#connection?.removeEventListener("ready", this.#reconnected);
    this.#connection = null;
    this.#stores.forEach((store) => { store.stop(); });
    this.#stores.clear();
    this.#told.clear();
    this.#dialogs = [];
    this.#announcer.stop();
    clearTimeout(this.#timer);
  }

  getCardSize(): number {
    return this.#options?.mode === "compact" ? 1 : 8;
  }

  getGridOptions(): Record<string, number | string> {
    return this.#options?.mode === "compact"
      ? { columns: 6, rows: 1, min_columns: 6, min_rows: 1 }
      : { columns: 12, rows: "auto", min_columns: 6 };
  }

  static async getConfigForm(): Promise<ReturnType<DialogPart["formOf"]>> {
    const { formOf } = await dialogPart.load();
    return formOf(await loadTexts(document.documentElement.lang || navigator.language));
  }

  static getStubConfig(home: HomeAssistant): CardConfig {
    const [first] = thingsOf(home);
    return { type: `custom:${TAG}`, ...(first ? { device_id: [first] } : {}), mode: "full" };
  }

  readonly #seen = (): void => {
    if (!document.hidden) {
      this.#update();
    }
  };

  readonly #reconnected = (): void => {
    this.#stores.forEach((store) => { store.reconnect(); });
  };

  #listen(): void {
    this.#connection?.removeEventListener("ready", this.#reconnected);
    this.#connection = this.isConnected ? (this.#home?.connection ?? null) : null;
    this.#connection?.addEventListener("ready", this.#reconnected);
  }

  async #speak(home: HomeAssistant): Promise<void> {
    this.#clock = new Clock(home.locale, home.config.time_zone);
    try {
      this.#text = await loadTexts(home.language, home.locale.language);
    } catch {
      setTimeout(() => {
        if (this.#home) {
          void this.#speak(this.#home);
        }
      }, SLOW_TICK_MS);
    }
    this.#update();
  }

  /** Has a store for each thing that is to be shown, and for no other. */
  #syncStores(): void {
    const home = this.#home;
    if (!home || !this.#options || !this.isConnected) {
      return;
    }
    const chosen = this.#options.deviceIds;
    const wanted = chosen.length ? chosen : thingsOf(home);
    for (const [id, store] of this.#stores) {
      if (!wanted.includes(id)) {
        store.stop();
        this.#stores.delete(id);
        this.#told.delete(store);
      }
    }
    for (const id of wanted) {
      if (!this.#stores.has(id)) {
        const store = new ThingStore(() => this.#home ?? home, id, () => { this.#storeChanged(store); });
        this.#stores.set(id, store);
        void store.start();
      }
    }
  }

  #storeChanged(store: ThingStore): void {
    const before = this.#told.get(store);
    this.#told.set(store, { job: store.job, problem: store.problem });
    if (before && this.#text) {
      const ended = store.history[0] ?? null;
      const news = newsOf(before.job, store.job, ended, this.#text);
      if (news) {
        this.#announcer.tell(news, Date.now());
      }
      if (store.problem !== null && store.problem !== before.problem) {
        this.#announcer.tell({ words: store.problem, step: false }, Date.now());
      }
    }
    this.#update();
  }

  /** Draws before the next frame, however often it is asked to. */
  #update(): void {
    if (!this.#pending) {
      this.#pending = true;
      queueMicrotask(() => {
        this.#pending = false;
        this.#render();
      });
    }
  }

  #render(): void {
    if (!this.isConnected || !this.#options) {
      return;
    }
    const stores = this.#sorted();
    this.#closeOutdated();
    render(html`${this.#card(stores)}${this.#dialogTemplates()}`, this.#root);
    clearTimeout(this.#timer);
    if (!document.hidden) {
      const ticking = stores.some(({ situation: { kind } }) => kind === "running" || kind === "offline");
      this.#timer = setTimeout(() => { this.#update(); }, ticking ? TICK_MS : SLOW_TICK_MS);
    }
  }

  /** The stores in their order, which stays while somebody is at the card. */
  #sorted(): ThingStore[] {
    const stores = [...this.#stores.values()];
    const known = stores.every((store) => this.#order.includes(store.deviceId));
    if (!known || !(this.#root.activeElement ?? this.matches(":hover"))) {
      const name = (store: ThingStore) => this.#nameOf(store);
      this.#order = stores
        .sort(
          (one, other) =>
            rankOf(one.situation.kind) - rankOf(other.situation.kind) || name(one).localeCompare(name(other)),
        )
        .map((store) => store.deviceId);
    }
    return stores.sort((one, other) => this.#order.indexOf(one.deviceId) - this.#order.indexOf(other.deviceId));
  }

  #nameOf(store: ThingStore): string {
    return (
      this.#options?.name ??
      (nameOf(this.#home?.devices[store.deviceId]) || (store.thing?.name ?? ""))
    );
  }

  #view(store: ThingStore): View | null {
    const [home, text, clock, options] = [this.#home, this.#text, this.#clock, this.#options];
    if (!home || !text || !clock || !options) {
      return null;
    }
    const { situation } = store;
    return {
      store,
      situation:
        situation.kind === "loading"
          ? { kind: provisionalKind(home, store.deviceId), job: null }
          : situation,
      thing: store.thing,
      job: store.job,
      history: store.history,
      now: store.now(),
      text,
      clock,
      locale: home.locale,
      home,
      options,
      name: this.#nameOf(store),
      prefix: `t${[...this.#stores.keys()].indexOf(store.deviceId)}-`,
      act: this.#deeds(store),
    };
  }

  #deeds(store: ThingStore): Deeds {
    const open = (opened: Opened) => {
      this.#dialogs.push(opened);
      this.#update();
    };
    return {
      update: () => { this.#update(); },
      stop: (job) => { open({ kind: "stop", store, job, open: true }); },
      reject: (job) => { open({ kind: "reject", store, job, reason: "", open: true }); },
      openLog: (job) =>
        void this.#with(store, ({ WholeLog }) => {
          const log = new WholeLog(store.api, job, () => { this.#update(); });
          void log.open();
          open({ kind: "log", store, log, open: true });
        }),
      download: (job) => void this.#download(store, job),
      runDocument: () =>
        void this.#with(store, ({ DocumentDraft }) => {
          const draft = new DocumentDraft(store, () => { this.#update(); });
          open({ kind: "document", store, draft, open: true });
        }),
      copy: (text, where) => { this.#copy(text, where, store); },
    };
  }

  #card(stores: ThingStore[]): TemplateResult {
    const compact = this.#options?.mode === "compact";
    const lines = this.#options?.outputLines ?? 9;
    const views = stores.flatMap((store) => this.#view(store) ?? []);
    return html`<ha-card class="jobs ${compact ? "compact" : ""}" style="--log-lines:${lines}">
      ${this.#home && this.#text && !views.length ? this.#noThing(this.#text) : nothing}
      ${views.length === 1 && !compact
        ? views.map((view) => html`${headOf(view)}${this.#body(view)}`)
        : repeat(views, (view) => view.store, (view) => this.#thing(view, compact))}
      ${this.#text ? nothing : html`<div class="head"></div>`}
      <div class="hide" role="status" aria-live="polite">${this.#announcer.words}</div>
    </ha-card>`;
  }

  #thing(view: View, compact: boolean): TemplateResult {
    const { store } = view;
    if (compact) {
      const open = () => {
        this.#dialogs.push({ kind: "full", store, open: true });
        this.#update();
      };
      return html`<div class="thing">${tileOf(view, open)}</div>`;
    }
    const open = this.#openThing === undefined ? this.#firstToOpen() === store.deviceId : this.#openThing === store.deviceId;
    const toggle = () => {
      this.#openThing = open ? null : store.deviceId;
      this.#update();
    };
    return html`<div class="thing">
      ${rowOf(view, open, toggle)}
      <div id="${view.prefix}body" ?hidden=${!open}>${open ? this.#body(view) : nothing}</div>
    </div>`;
  }

  #body(view: View) {
    return bodyPart.use(() => { this.#update(); })?.bodyOf(view, this.#wrapping()) ?? nothing;
  }

  #firstToOpen(): string | undefined {
    return this.#order.find((id) => {
      const store = this.#stores.get(id);
      return store && opensByItself(store.situation.kind);
    });
  }

  #noThing(text: Texts): TemplateResult {
    const add = () => { navigate("/config/integrations/dashboard/add?domain=aws_iot_jobs"); };
    return html`<div class="body top-space"><div class="note" data-tone="">
      ${icon(mdiClipboardTextOutline)}
      <div>
        <h3>${text.get("no_thing_title")}</h3>
        <p>${text.get("no_thing_text")}</p>
        ${this.#home?.user?.is_admin && this.#options?.actions
          ? html`<div class="acts">${button(text.get("add"), add, { name: "add", className: "txt" })}</div>`
          : nothing}
      </div>
    </div></div>`;
  }

  #wrapping(): Wrapping {
    const wrap = this.#wrap ?? this.#options?.wrap ?? true;
    return {
      wrap,
      onWrap: () => {
        this.#wrap = !wrap;
        this.#update();
      },
    };
  }

  #dialogTemplates() {
    const part = this.#dialogs.length ? dialogPart.use(() => { this.#update(); }) : null;
    return repeat(
      part ? this.#dialogs : [],
      (opened) => opened,
      (opened) => {
        const view = this.#view(opened.store);
        const closed = () => {
          this.#dialogs = this.#dialogs.filter((each) => each !== opened);
          this.#update();
        };
        return view && part ? part.dialogTemplate(opened, view, this.#wrapping(), closed) : nothing;
      },
    );
  }

  /** Asks no more about a job that is not in that state any more. */
  #closeOutdated(): void {
    for (const opened of this.#dialogs) {
      if (opened.kind === "stop" || opened.kind === "reject") {
        const { job } = opened.store;
        const same = job && keyOf(job) === keyOf(opened.job);
        opened.open &&= Boolean(same);
      } else if (opened.kind === "full" && !this.#stores.has(opened.store.deviceId)) {
        opened.open = false;
      }
    }
  }

  /** Does what needs the part that is loaded on demand. */
  async #with(store: ThingStore, deed: (part: DialogPart) => void): Promise<void> {
    try {
      deed(await dialogPart.load());
    } catch (error) {
      store.problem = messageOf(error);
      this.#update();
    }
  }

  async #download(store: ThingStore, job: Job): Promise<void> {
    await store.act("download", async () => {
      const { saveText, textOf } = await dialogPart.load();
      const name = `${store.thing?.thing_name ?? ""}-${job.job_id}-${job.execution_number}.log`;
      saveText(await textOf(store.api, job), name);
    });
  }

  #copy(words: string, where: EventTarget | null, store: ThingStore): void {
    void this.#with(store, ({ copyText }) => {
      void copyText(words);
      const copied = this.#text?.get("copied") ?? "";
      this.#announcer.tell({ words: copied, step: false }, Date.now());
      if (where instanceof HTMLElement) {
        where.dataset.said = copied;
        setTimeout(() => { delete where.dataset.said; }, COPIED_MS);
      }
    });
  }
}
