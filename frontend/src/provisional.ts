/** How a thing stands by its entities: what the head shows until the server has answered. */

import { DOMAIN } from "./api";
import type { HomeAssistant } from "./home-assistant";
import type { Kind } from "./situation";

export function provisionalKind(home: HomeAssistant, deviceId: string): Kind {
  const state = (key: string) => {
    const entity = Object.values(home.entities).find(
      (each) => each.device_id === deviceId && each.platform === DOMAIN && each.translation_key === key,
    );
    return entity && home.states[entity.entity_id]?.state;
  };
  const status = state("job_status");
  if (status === "in_progress") {
    return "running";
  }
  if (status === "awaiting_approval") {
    return "approval";
  }
  if (state("connected") === "off") {
    return "offline";
  }
  return status === "idle" ? "idle" : "loading";
}
