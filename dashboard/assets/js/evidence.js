// Why: the evidence of one flagged transaction, in words, in bars and on the map.
import { element, eventChip, inClock, inDistance, inSpeed, short } from "./words.js";

export function createEvidence(map, { onClose, onDevice }) {
  const panel = document.getElementById("evidence");
  let openId = null;

  // Returns the device, where there is one to be shown.
  async function open(id, flag) {
    openId = id;
    const answer = await fetch(`evidence?id=${encodeURIComponent(id)}`).catch(() => null);
    if (openId !== id) return null; // another was opened meanwhile
    if (!answer?.ok) {
      panel.replaceChildren(head(flag), element("p", { className: "empty" }, "The evidence is not on the board any more."));
      panel.hidden = false;
      return null;
    }
    const shown = await answer.json();
    panel.replaceChildren(head(flag), body(shown, flag));
    panel.hidden = false;
    panel.scrollTop = 0;
    panel.focus({ preventScroll: true });
    map.showEvidence(shown);
    return flag?.device ?? null;
  }

  function close() {
    if (openId === null) return;
    openId = null;
    panel.hidden = true;
    panel.replaceChildren();
    map.hideEvidence();
    onClose();
  }

  function head(flag) {
    const closing = element("button", { type: "button", className: "quiet", "aria-label": "Close the evidence" }, "Close");
    closing.addEventListener("click", close);
    const what = flag ? [flag.amount, flag.merchant ?? flag.category].filter(Boolean).join(" · ") : "";
    return element("div", { className: "head" }, element("h2", {}, "Evidence"), flag ? eventChip(flag.event) : null, element("p", { className: "note" }, what), closing);
  }

  function body(shown, flag) {
    const reasons = shown.reasons.map(({ code, told }) => element("li", {}, told, element("code", {}, code)));
    const parts = [
      element("p", { className: "why" }, shown.why),
      meters(shown, flag),
      element("ul", { className: "reasons", "aria-label": "Reasons" }, ...reasons),
      element("p", { className: "stage" }, shown.stage),
      element("p", { className: "stage" }, `Verdict: ${shown.headline}.`),
    ];
    if (shown.figures) parts.push(terms(shown), who(flag));
    return element("div", { className: "body" }, ...parts);
  }

  function meters(shown, flag) {
    const pairs = [];
    if (shown.required_m != null && shown.possible_m != null)
      pairs.push(["Needed to travel", shown.required_m, inDistance, true], ["Could travel", shown.possible_m, inDistance, false]);
    if (flag?.implied_mps != null && flag?.allowed_mps != null)
      pairs.push(["Implied speed", flag.implied_mps, inSpeed, true], ["Allowed speed", flag.allowed_mps, inSpeed, false]);
    const rows = pairs.map(([name, amount, told, isOver], n) => {
      const most = Math.max(amount, pairs[n % 2 ? n - 1 : n + 1][1], 1e-9);
      const bar = element("i");
      bar.style.width = `${(100 * amount) / most}%`;
      const over = isOver && amount > pairs[n + 1][1];
      return element("div", { className: over ? "meter over" : "meter" }, element("span", {}, name), element("span", { className: "track", "aria-hidden": "true" }, bar), element("b", {}, told(amount)));
    });
    return element("div", { className: "meters" }, ...rows);
  }

  function terms(shown) {
    const rows = shown.figures.map(([name, amount, meaning]) => element("tr", {}, element("th", { scope: "row", title: meaning }, name), element("td", {}, amount)));
    return element("details", {}, element("summary", {}, "All figures"), element("table", { className: "terms" }, element("tbody", {}, ...rows)));
  }

  function who(flag) {
    const button = element("button", { type: "button", className: "quiet" }, `Show device ${short(flag.device)}`);
    button.addEventListener("click", () => onDevice(flag.device));
    return element("p", { className: "stage" }, `${inClock(flag.time)}, card …${flag.card ?? "unknown"} `, button);
  }

  return { open, close };
}
