// The list of flagged transactions: the latest first, filtered, for mouse and keyboard.
import { matches } from "./filters.js";
import { element, eventChip, inClock, inDistance, inDuration, inMinutes, inSpeed, short } from "./words.js";

const MOST_SHOWN = 150;
const ANNOUNCE_EVERY_MS = 5000;

export function createList(store, { onOpen, onFilter }) {
  const ids = ["flags", "flags-empty", "flags-count", "pause", "filter-time", "filter-state", "filter-reason", "filter-text", "announcer"];
  const [list, empty, counted, pause, time, state, reason, text, announcer] = ids.map((id) => document.getElementById(id));
  const rows = new Map(); // id -> {item, number}
  let openId = null, paused = false, unheard = 0, announcedAt = 0, knownReasons = "";

  const filter = () => ({ minutes: Number(time.value), state: state.value, reason: reason.value, text: text.value.trim() });

  function render() {
    offerReasons();
    for (const flag of store.flags.values())
      if (flag.isNew && flag.event === "flagged") unheard += 1;
    announce();
    if (paused) return count();
    const wanted = filter();
    const shown = [...store.flags.values()].reverse().filter((flag) => matches(flag, wanted, store.now));
    place(shown.slice(0, MOST_SHOWN));
    empty.hidden = shown.length > 0;
    empty.textContent = store.flags.size ? "Nothing fits these filters." : "Nothing is flagged.";
    count(shown.length);
    onFilter(shown);
  }

  // Rows stay the same elements, so that focus and place of scrolling stay.
  function place(shown) {
    const wanted = new Set(shown.map((flag) => flag.id));
    for (const [id, row] of rows)
      if (!wanted.has(id)) {
        row.item.remove();
        rows.delete(id);
      }
    let before = null;
    for (const flag of shown) {
      let row = rows.get(flag.id);
      if (!row || row.number !== flag.number) {
        const item = made(flag);
        if (row) row.item.replaceChildren(...item.childNodes);
        else row = { item };
        row.number = flag.number;
        rows.set(flag.id, row);
      }
      const at = before ? before.nextSibling : list.firstChild;
      if (at !== row.item) list.insertBefore(row.item, at);
      before = row.item;
      flag.isNew = false;
    }
    // One stop for Tab: where the focus is, else the latest line.
    if (!list.contains(document.activeElement)) stopAt(list.querySelector("button"));
  }

  function made(flag) {
    const held = list.contains(document.activeElement) && document.activeElement.dataset.id === flag.id;
    const button = element(
      "button",
      { type: "button", className: flag.isNew ? "flag fresh" : "flag", tabindex: held ? "0" : "-1", "aria-expanded": String(flag.id === openId), "data-id": flag.id },
      eventChip(flag.event),
      element("span", { className: "what" }, [flag.amount, flag.merchant ?? flag.category].filter(Boolean).join(" · ")),
      element("time", { dateTime: new Date(flag.time).toISOString() }, (flag.merchant === null ? inMinutes : inClock)(flag.time)),
      element("span", { className: "more" }, why(flag)),
    );
    if (held) requestAnimationFrame(() => button.focus());
    return element("li", {}, button);
  }

  function why(flag) {
    const parts = [];
    if (flag.card) parts.push(`…${flag.card}`);
    if (flag.distance_m != null && flag.elapsed_s != null) parts.push(`${inDistance(flag.distance_m)} in ${inDuration(flag.elapsed_s)}`);
    if (flag.possible_m != null) parts.push(`${inDistance(flag.possible_m)} possible`);
    else if (flag.implied_mps != null && flag.allowed_mps != null) parts.push(`${inSpeed(flag.implied_mps)}, ${inSpeed(flag.allowed_mps)} allowed`);
    return parts.join(" · ") || flag.reasons.join(", ");
  }

  function offerReasons() {
    const seen = new Set([...store.flags.values()].flatMap((flag) => flag.reasons));
    if (reason.value) seen.add(reason.value); // what was chosen stays to be seen
    const codes = [...seen].sort();
    if (codes.join() === knownReasons) return;
    knownReasons = codes.join();
    const chosen = reason.value;
    const choices = codes.map((code) => element("option", { value: code }, code.replaceAll("_", " ")));
    reason.replaceChildren(element("option", { value: "" }, "Any reason"), ...choices);
    reason.value = chosen;
  }

  function count(shown = null) {
    const total = store.flags.size;
    if (paused) counted.textContent = "paused";
    else if (shown === total) counted.textContent = total > MOST_SHOWN ? `latest ${MOST_SHOWN} of ${total}` : `${total}`;
    else counted.textContent = `${shown} of ${total}`;
  }

  function announce() {
    const now = Date.now();
    if (!unheard || now - announcedAt < ANNOUNCE_EVERY_MS) return;
    announcer.textContent = `${unheard} ${unheard === 1 ? "transaction was" : "transactions were"} flagged`;
    announcedAt = now;
    unheard = 0;
  }

  function mark(id) {
    for (const button of list.querySelectorAll(".flag")) button.setAttribute("aria-expanded", String(button.dataset.id === id));
  }

  function focus(button) {
    if (!button) return;
    stopAt(button);
    button.focus();
  }

  function stopAt(button) {
    for (const other of list.querySelectorAll("[tabindex='0']")) other.setAttribute("tabindex", "-1");
    button?.setAttribute("tabindex", "0");
  }

  list.addEventListener("click", (event) => {
    const button = event.target.closest(".flag");
    if (!button) return;
    focus(button);
    onOpen(button.dataset.id);
  });
  list.addEventListener("keydown", (event) => {
    const item = event.target.closest("li");
    const next = { ArrowDown: item?.nextSibling, ArrowUp: item?.previousSibling, Home: list.firstChild, End: list.lastChild }[event.key];
    if (!next) return;
    event.preventDefault();
    focus(next.querySelector("button"));
  });
  for (const choice of [time, state, reason]) choice.addEventListener("change", render);
  text.addEventListener("input", render);
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on" : "Pause";
    render();
  });

  return {
    render,
    // Lines fall out of "the last minutes" while nothing comes.
    age() {
      if (Number(time.value)) render();
    },
    opened(id) {
      openId = id;
      mark(id);
    },
    closed() {
      const button = list.querySelector(`[aria-expanded="true"]`);
      openId = null;
      mark(null);
      (button ?? document.getElementById("flags-title")).focus();
    },
  };
}
