/** A command as it is given to a system: quoted, so that each argument is seen as one. */

const NEEDS_NO_QUOTES = /^[\w@%+=:,./-]+$/;

export function quoted(argument: string): string {
  return NEEDS_NO_QUOTES.test(argument) ? argument : `'${argument.replaceAll("'", String.raw`'\''`)}'`;
}

/** A path's folder, with its last slash, and its name. */
export function splitPath(path: string): [folder: string, name: string] {
  const end = path.lastIndexOf("/") + 1;
  return [path.slice(0, end), path.slice(end)];
}

/** Pieces between which a line may break: after each slash. */
export function breakable(text: string): string[] {
  return text.split(/(?<=\/)/);
}
