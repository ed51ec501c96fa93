/** Which ended job a user has closed, for each thing: kept in this browser. */

const PLACE = "aws-iot-jobs-card.closed";

export function closedJob(deviceId: string): string | null {
  return all()[deviceId] ?? null;
}

export function closeJob(deviceId: string, key: string): void {
  try {
    localStorage.setItem(PLACE, JSON.stringify({ ...all(), [deviceId]: key }));
  } catch {
    // Without a place to keep it, it holds for this page.
  }
}

function all(): Record<string, string> {
  try {
    return JSON.parse(localStorage.getItem(PLACE) ?? "{}") as Record<string, string>;
  } catch {
    return {};
  }
}
