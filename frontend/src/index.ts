/** Defines the card and offers it in Home Assistant's card picker. */

import { DOMAIN } from "./api";
import { JobsCard } from "./card";
import { TAG } from "./config";
import type { HomeAssistant } from "./home-assistant";
import { loadTexts } from "./text";

interface Offer {
  type: string;
  name: string;
  description: string;
  preview: boolean;
  getEntitySuggestion: typeof suggestions;
}

declare global {
  interface Window {
    customCards?: Offer[];
  }
}

const words = { full: "Full", compact: "Compact" };

/** The card for one of our entities: whole, and as one row. */
function suggestions(home: HomeAssistant, entityId: string) {
  const entity = home.entities[entityId];
  if (entity?.platform !== DOMAIN || !entity.device_id) {
    return null;
  }
  const config = { type: `custom:${TAG}`, device_id: [entity.device_id] };
  return [
    { label: words.full, config: { ...config, mode: "full" } },
    { label: words.compact, config: { ...config, mode: "compact" } },
  ];
}

// A page that was not left for an update may have an earlier one.
if (!customElements.get(TAG)) {
  customElements.define(TAG, JobsCard);
  const offer: Offer = {
    type: TAG,
    name: "AWS IoT Jobs",
    description: "",
    preview: true,
    getEntitySuggestion: suggestions,
  };
  // Home Assistant holds on to the list: it is added to, not replaced.
  (window.customCards ??= []).push(offer);
  loadTexts(document.documentElement.lang || navigator.language).then(
    (text) => {
      offer.name = text.get("card_name");
      offer.description = text.get("card_description");
      words.full = text.get("suggestion_full");
      words.compact = text.get("suggestion_compact");
    },
    () => undefined,
  );
}
