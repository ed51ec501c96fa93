/** A Home Assistant that is not there: it answers the card as one would, in a chosen state. */

import type { HomeAssistant, Message } from "../src/home-assistant";
import type { JobsMessage, LogLine, LogMessage, Plan } from "../src/model";

export interface Scene {
  /** Of each thing, by its device. */
  things: Record<string, JobsMessage>;
  plan?: Plan;
  log?: LogLine[];
  /** Lines that come while one looks. */
  live?: (n: number) => LogLine;
  liveMs?: number;
  liveLines?: number;
  admin?: boolean;
  refuse?: { code: string; message: string };
  language?: string;
}

type Callback = (message: JobsMessage | LogMessage) => void;

export function fakeHome(scene: Scene): HomeAssistant {
  const language = scene.language ?? "en";
  const devices = Object.fromEntries(
    Object.entries(scene.things).map(([id, { thing }]) => [
      id,
      { id, name: thing?.name ?? id, identifiers: [["aws_iot_jobs", id]] as [string, string][] },
    ]),
  );
  const answer = (message: Message): unknown => {
    switch (message.type) {
      case "aws_iot_jobs/jobs/plan":
        return scene.plan;
      case "aws_iot_jobs/log/read":
        return page(scene, message);
      case "call_service":
        return called(scene, message);
      default:
        return null;
    }
  };
  return {
    language,
    locale: { language, time_format: "language", time_zone: "local" },
    config: { time_zone: "UTC" },
    user: { is_admin: scene.admin ?? true },
    devices,
    entities: {},
    states: {},
    callWS: async <T>(message: Message) => {
      await new Promise((resolve) => setTimeout(resolve, message.type === "call_service" ? 600 : 20));
      console.info("asked", JSON.stringify(message));
      return answer(message) as T;
    },
    connection: {
      subscribeMessage: async (callback, message) => {
        await Promise.resolve();
        if (scene.refuse) {
          // eslint-disable-next-line @typescript-eslint/only-throw-error -- as Home Assistant does
          throw scene.refuse;
        }
        return subscribe(scene, callback as Callback, message);
      },
      sendMessagePromise: () => Promise.resolve(null as never),
      addEventListener: () => undefined,
      removeEventListener: () => undefined,
    },
  };
}

function subscribe(scene: Scene, callback: Callback, message: Message): () => Promise<void> {
  if (message.type === "aws_iot_jobs/jobs/subscribe") {
    const told = scene.things[String(message.device_id)];
    setTimeout(() => { callback({ ...told, now: new Date().toISOString() }); }, 30);
    return () => Promise.resolve();
  }
  let n = Number(message.after);
  const { live, liveMs = 900, liveLines = 1 } = scene;
  const timer = setInterval(() => {
    if (live) {
      const lines = Array.from({ length: liveLines }, () => live((n += 1)));
      callback({ lines, number: n, subscription: 1 });
    }
  }, liveMs);
  return () => {
    clearInterval(timer);
    return Promise.resolve();
  };
}

function page(scene: Scene, message: Message): unknown {
  const all = scene.log ?? [];
  const step = message.step_index;
  const lines = step === undefined ? all : all.filter((line) => line.step_index === step);
  const tail = message.tail;
  return {
    lines: typeof tail === "number" ? lines.slice(-tail) : lines,
    steps: [],
    number: all.length,
    more: false,
  };
}

function called(scene: Scene, message: Message): unknown {
  if (message.service === "check_document") {
    return { response: scene.plan };
  }
  if (message.service === "stop_job") {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- as Home Assistant does
    throw { code: "home_assistant_error", message: "No job runs on demo-home at the moment." };
  }
  return { response: null };
}
