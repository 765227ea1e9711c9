// Figures and times for people.
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const minute = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const count = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });

export const EVENTS = { flagged: "Flagged", confirmed: "Confirmed", retracted: "Retracted" };

// By shape as well as by colour.
const SIGNS = {
  flagged: "M6 1 11.5 11H.5z",
  confirmed: "M3.5 .5h5l3 3v5l-3 3h-5l-3-3v-5z",
  retracted: "M1 6.5 4.5 10 11 2.5",
};

export const inClock = (ms) => clock.format(ms);
export const inMinutes = (ms) => minute.format(ms);
export const inCount = (amount) => count.format(amount);

export function inDistance(metres) {
  if (metres < 1000) return `${Math.round(metres)} m`;
  return metres < 100_000 ? `${(metres / 1000).toFixed(1)} km` : `${count.format(Math.round(metres / 1000))} km`;
}

export function inDuration(seconds) {
  const apart = Math.abs(seconds);
  if (apart < 10) return `${apart.toFixed(1)} s`;
  if (apart < 120) return `${Math.round(apart)} s`;
  return apart < 7200 ? `${Math.round(apart / 60)} min` : `${Math.round(apart / 3600)} h`;
}

export const inSpeed = (mps) => `${count.format(Math.round(mps * 3.6))} km/h`;

export function short(id) {
  return id.length > 13 ? `${id.slice(0, 8)}…${id.slice(-3)}` : id;
}

// An element, with text as text: nothing that comes from outside is ever read as HTML.
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((each) => each !== null));
  return made;
}

export function eventChip(event) {
  const chip = element("span", { className: `event ${event}` });
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 12 12");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", SIGNS[event]);
  if (event === "retracted") {
    path.setAttribute("fill", "none");
    path.setAttribute("stroke", "currentColor");
    path.setAttribute("stroke-width", "2.2");
  } else path.setAttribute("fill", "currentColor");
  svg.append(path);
  chip.append(svg, EVENTS[event]);
  return chip;
}
