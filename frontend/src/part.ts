/** What is loaded when it is first wanted, so that a dashboard that shows little loads little. */

const RETRY_MS = 5000;

export class Part<T> {
  readonly #import: () => Promise<T>;
  #loaded: T | null = null;
  #loading: Promise<T> | null = null;

  constructor(load: () => Promise<T>) {
    this.#import = load;
  }

  load(): Promise<T> {
    this.#loading ??= this.#import().then(
      (part) => (this.#loaded = part),
      (error: unknown) => {
        setTimeout(() => { this.#loading = null; }, RETRY_MS);
        throw error;
      },
    );
    return this.#loading;
  }

  /** The part, where it is here; else it comes, and `arrived` is called then. */
  use(arrived: () => void): T | null {
    if (!this.#loaded) {
      this.load().then(arrived, () => { setTimeout(arrived, RETRY_MS); });
    }
    return this.#loaded;
  }
}

/** Everything below the head. */
export const bodyPart = new Part(() => import("./body-part"));
/** Dialogs. */
export const dialogPart = new Part(() => import("./dialog-part"));
