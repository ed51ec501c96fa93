/** Has an element drawn by hand, whenever what it shows has changed. */

import { Directive, directive } from "lit/directive.js";
import { type ElementPart, noChange } from "lit/html.js";

class Drawn extends Directive {
  #version: unknown = this;

  override render(_version: unknown, _draw: (element: HTMLElement) => void): unknown {
    return noChange;
  }

  override update(
    part: ElementPart,
    [version, draw]: [unknown, (element: HTMLElement) => void],
  ): unknown {
    if (version !== this.#version) {
      this.#version = version;
      draw(part.element as HTMLElement);
    }
    return noChange;
  }
}

export const drawn = directive(Drawn);
