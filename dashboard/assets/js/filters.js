// Which lines of the list are shown. Pure.
export function matches(flag, filter, now) {
  if (filter.minutes && flag.heard < now - filter.minutes * 60_000) return false;
  if (filter.state === "open" && (flag.stage === "final" || flag.event === "retracted")) return false;
  if (filter.state && filter.state !== "open" && flag.event !== filter.state) return false;
  if (filter.reason && !flag.reasons.includes(filter.reason)) return false;
  return !filter.text || searched(flag).includes(filter.text.toLowerCase());
}

function searched(flag) {
  return [flag.device, flag.card, flag.merchant, flag.category, flag.transaction]
    .filter((each) => each !== null && each !== undefined)
    .join("\n")
    .toLowerCase();
}
