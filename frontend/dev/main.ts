/** A page with the card in every state: `?state=running&width=320&theme=dark&dir=rtl`. */

import type { JobsCard } from "../src/card";
import { fakeHome } from "./home";
import { SCENES } from "./scenes";

const query = new URLSearchParams(location.search);
const wanted = query.get("state")?.split(",");
const main = document.querySelector("main");
document.documentElement.dataset.theme = query.get("theme") ?? "light";
document.documentElement.dir = query.get("dir") ?? "ltr";
document.body.classList.toggle("single", Boolean(wanted));

for (const [name, scene] of Object.entries(SCENES)) {
  if (wanted && !wanted.includes(name)) {
    continue;
  }
  const figure = document.createElement("figure");
  const width = query.get("width") ?? scene.width ?? (wanted ? 400 : undefined);
  figure.style.width = width ? `${width}px` : "";
  figure.dir = scene.direction ?? "";
  figure.innerHTML = `<figcaption><a href="?state=${name}">${name}</a></figcaption>`;
  const card = document.createElement("aws-iot-jobs-card") as unknown as JobsCard;
  card.setConfig({ type: "custom:aws-iot-jobs-card", device_id: "demo-home", ...scene.config });
  if (scene.config && !("mode" in scene.config)) {
    card.setConfig({ type: "custom:aws-iot-jobs-card", ...scene.config });
  }
  card.hass = fakeHome(scene);
  figure.append(card);
  main?.append(figure);
}
