/** Job ids, cut so that both ends stay in sight. */

const LONGEST_WHOLE = 24;
const LAST_PART = /[-_].{4,9}$/;
const CUT_ANYWHERE = 8;

/** The part that may give way, and the end that stays: the last part, cut at a hyphen. */
export function cutId(id: string): [start: string, end: string] {
  if (id.length <= LONGEST_WHOLE) {
    return [id, ""];
  }
  const length = LAST_PART.exec(id)?.[0].length ?? CUT_ANYWHERE;
  return [id.slice(0, -length), id.slice(-length)];
}
