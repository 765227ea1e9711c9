// The row of figures at the top, and what the publisher says of the day.
import { element, inCount } from "./words.js";

export function createFigures() {
  const bars = document.getElementById("flagged-bars");
  const publisher = document.getElementById("publisher");
  const say = (name, amount) => {
    const place = document.getElementById(`figure-${name}`);
    const text = inCount(amount);
    if (place.textContent !== text) place.textContent = text;
  };
  return {
    render(status) {
      say("devices", status.devices);
      say("locations", status.locations_per_s);
      for (const name of ["transactions", "flagged", "confirmed", "retracted"]) say(name, status[name]);
      drawBars(status.flagged_by_minute);
      tellPublisher(status.publisher);
    },
  };

  function drawBars(counts) {
    if (bars.childElementCount !== counts.length) bars.replaceChildren(...counts.map(() => element("i")));
    const most = Math.max(1, ...counts);
    counts.forEach((count, n) => {
      const bar = bars.children[n];
      bar.style.height = `${(count / most) * 100}%`;
      bar.className = count ? "" : "none";
    });
  }

  function tellPublisher(told) {
    publisher.hidden = false;
    const key = JSON.stringify(told);
    if (publisher.dataset.told === key) return;
    publisher.dataset.told = key;
    if (!told) {
      publisher.replaceChildren("No publisher can be reached: its counters of the day are left out.");
      return;
    }
    const top = Object.keys(told.categories ?? {})[0];
    const parts = [
      ["flagged", told.flagged],
      ["confirmed", told.confirmed],
      ["people", told.people],
      ["with a high value", told.high_value_people],
      ["merchants", told.merchants],
    ].map(([name, amount]) => element("span", {}, element("b", {}, inCount(amount)), ` ${name}`));
    publisher.replaceChildren(element("span", {}, "Today, by the publisher:"), ...parts);
    if (top) publisher.append(element("span", {}, "most in ", element("b", {}, top)));
  }
}
