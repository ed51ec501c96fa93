/** The integration's websocket commands and actions. */

import type { HomeAssistant } from "./home-assistant";
import type {
  JobKey,
  JobsMessage,
  LogMessage,
  LogPage,
  Plan,
} from "./model";

export const DOMAIN = "aws_iot_jobs";

export interface LogRange {
  step_index?: number;
  /** The last so many lines. */
  tail?: number;
  /** What comes after this number. */
  after?: number;
}

/** The commands for one thing. Errors are those of Home Assistant: `code` and `message`. */
export class Api {
  readonly #home: () => HomeAssistant;
  readonly #deviceId: string;

  constructor(home: () => HomeAssistant, deviceId: string) {
    this.#home = home;
    this.#deviceId = deviceId;
  }

  subscribeJobs(callback: (message: JobsMessage) => void): Promise<() => Promise<void>> {
    const message = this.#message("jobs/subscribe");
    return this.#home().connection.subscribeMessage(callback, message, { resubscribe: false });
  }

  subscribeLog(
    job: JobKey,
    after: number,
    callback: (message: LogMessage) => void,
  ): Promise<() => Promise<void>> {
    const message = this.#message("log/subscribe", { ...keys(job), after });
    return this.#home().connection.subscribeMessage(callback, message, { resubscribe: false });
  }

  /** Says that a message of a log is here, so that the next can come. */
  taken(subscription: number): void {
    const message = { type: `${DOMAIN}/log/taken`, subscription };
    this.#home().connection.sendMessagePromise(message).catch(nothing);
  }

  readLog(job: JobKey, range: LogRange): Promise<LogPage> {
    return this.#home().callWS(this.#message("log/read", { ...keys(job), ...range }));
  }

  plan(jobId: string): Promise<Plan> {
    return this.#home().callWS(this.#message("jobs/plan", { job_id: jobId }));
  }

  /** Calls an action of the integration for this thing. */
  async act(action: string, data: Record<string, unknown> = {}): Promise<void> {
    await this.#call(DOMAIN, action, { ...data, device_id: this.#deviceId });
  }

  async checkDocument(document: string): Promise<Plan> {
    const data = { document, device_id: this.#deviceId };
    const answer = await this.#call<Plan>(DOMAIN, "check_document", data, true);
    return answer.response;
  }

  /** Ends when the job has ended. */
  async runDocument(document: string): Promise<void> {
    const data = { document, device_id: this.#deviceId };
    await this.#call(DOMAIN, "run_document", data, true);
  }

  async turn(entityId: string, on: boolean): Promise<void> {
    await this.#call("switch", on ? "turn_on" : "turn_off", { entity_id: entityId });
  }

  /** Not by `hass.callService`: that shows errors in a toast. */
  #call<T>(
    domain: string,
    service: string,
    service_data: Record<string, unknown>,
    return_response = false,
  ): Promise<{ response: T }> {
    const message = { type: "call_service", domain, service, service_data };
    return this.#home().callWS(return_response ? { ...message, return_response } : message);
  }

  #message(command: string, data: Record<string, unknown> = {}) {
    const language = this.#home().language;
    return { type: `${DOMAIN}/${command}`, device_id: this.#deviceId, language, ...data };
  }
}

function keys({ job_id, execution_number, queued_at }: JobKey): Record<string, unknown> {
  return { job_id, execution_number, ...(queued_at == null ? {} : { queued_at }) };
}

function nothing(): void {
  // Whoever is not there to hear it needs it no more.
}
