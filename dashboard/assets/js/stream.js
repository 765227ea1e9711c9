// What the server pushes. The browser goes on where it was; what comes too late is said at once.
const SILENT_MS = 5000; // the server says something every second
const AGAIN_MS = 1500;

export function openStream({ onChanges, onStatus }) {
  const state = document.getElementById("stream-state");
  const banner = document.getElementById("banner");
  let source, watch, last = "";

  const say = (text, trouble) => {
    if (state.textContent !== text) state.textContent = text;
    state.classList.toggle("live", !trouble);
    banner.hidden = !trouble;
    if (trouble && banner.textContent !== trouble) banner.textContent = trouble;
  };
  const alive = () => {
    clearTimeout(watch);
    watch = setTimeout(lost, SILENT_MS);
  };
  const lost = () => {
    source?.close();
    clearTimeout(watch);
    say("Reconnecting…", "Connection lost, reconnecting. What you see is no longer live.");
    watch = setTimeout(async () => {
      if (await mustSignIn()) location.assign("login");
      else open();
    }, AGAIN_MS);
  };
  const open = () => {
    source = new EventSource(`stream?since=${encodeURIComponent(last)}`);
    source.onerror = lost;
    source.addEventListener("changes", (event) => {
      last = event.lastEventId;
      alive();
      onChanges(JSON.parse(event.data));
    });
    source.addEventListener("status", (event) => {
      const status = JSON.parse(event.data);
      alive();
      if (status.kafka === "up") say("Live", "");
      else if (status.kafka === "away") say("Kafka away", "Kafka does not answer. What you see is as it was; the page goes on when Kafka is back.");
      else say("Starting…", "Reading what happened lately.");
      onStatus(status);
    });
    alive();
  };
  open();
}

async function mustSignIn() {
  try {
    return (await fetch("track?device=")).status === 401;
  } catch {
    return false; // the server is away
  }
}
