// Shows what the API answers. Everything is put into the page as text, never as markup.
"use strict";

const SHOWN = 100;
const ASK_EVERY = 2000;
const RECONNECT_AFTER = 5000;
const STREAM_SILENCE = 60000;

const seen = new Map(); // liquidation id -> the newest version we were told
let sources = [];
let reach = { at: null, why: "not asked yet" }; // when the server last answered, and why it did not
let clockOffset = 0; // server's clock minus ours
let lastFrame = 0;
let socket = null;

const $ = (id) => document.getElementById(id);
const now = () => Date.now() + clockOffset;

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function row(...cells) {
  const made = element("tr");
  for (const cell of cells) {
    const held = element("td");
    if (cell instanceof Node) held.append(cell);
    else if (cell && typeof cell === "object") {
      held.className = cell.className || "";
      if (cell.title) held.title = cell.title;
      held.append(cell.node || document.createTextNode(cell.text ?? "unknown"));
    } else held.textContent = cell ?? "unknown";
    made.append(held);
  }
  return made;
}

function age(moment) {
  if (!moment) return "never";
  const seconds = Math.max(0, Math.floor((now() - Date.parse(moment)) / 1000));
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

function digits(text, places) {
  // Grouping and cutting of decimal text, without passing through a binary fraction.
  const [, sign, whole, fraction = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) || [null, "", text];
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  const kept = places === undefined ? fraction : fraction.slice(0, places);
  return sign + grouped + (kept ? `.${kept}` : "");
}

const MODES = {
  LIVE: "What is shown is read from the venue as it happens",
  REPLAY: "What is shown happened before and is replayed",
  SIMULATED: "What is shown was made up",
};
const HEALTH_CLASS = { live: "good", loaded: "none", behind: "warn", stale: "bad", down: "bad", unknown: "warn", inactive: "none" };

function believed(source) {
  // What was last said of a source gets old with our connection: it may not stay "live" by itself.
  if (source.health !== "live" || !source.heard_at) return source.health;
  const silent = now() - Date.parse(source.heard_at) > source.silence_limit_seconds * 1000;
  return silent ? "stale" : "live";
}

function showSources() {
  const reachable = reach.why === null;
  $("sources").replaceChildren(...sources.map((source) => {
    const health = reachable ? believed(source) : "unknown";
    return row(
      { text: source.name, title: source.url },
      { text: health, className: HEALTH_CLASS[health] || "warn" },
      source.type === "catalogue" ? { text: "ships with the product", className: "quiet" } : age(source.heard_at),
      source.last_event_at ? age(source.last_event_at) : { text: "none", className: "quiet" },
      source.type === "stream" && health !== "live" ? `${source.label} when live` : source.label,
      { text: reachable ? source.detail || "" : "last known; the server does not answer now", className: "wrap quiet" },
    );
  }));
  const empty = sources.length === 0;
  $("sources-empty").hidden = !empty;
  $("sources-empty").textContent = reachable ? "No source is set up." : `Unknown: ${reach.why}.`;
}

function showStatus(health) {
  const words = { ok: "live", degraded: "partly live", down: "not live" };
  const streams = sources.filter((source) => source.type === "stream");
  const live = streams.some((source) => believed(source) === "live");
  let [text, className] = [words[health.status] || "unknown", "warn"];
  if (health.status === "ok" && live) className = "good";
  if (health.status === "down") className = "bad";
  if (health.reasons.length) text += `: ${health.reasons.join("; ")}`;
  $("status").textContent = text;
  $("status").className = className;
  $("mode").textContent = `mode ${health.mode}`;
  $("mode").title = MODES[health.mode] || "";
  document.title = `KAMIYO · ${words[health.status] || "unknown"}`;
}

function showUnreachable(why) {
  reach = { at: reach.at, why };
  $("status").textContent = `unknown: ${why}`;
  $("status").className = "bad";
  document.title = "KAMIYO · unknown";
  showSources();
}

function showWarnings(id, warnings) {
  $(id).replaceChildren(...warnings.map((warning) => element("li", warning)));
  $(id).hidden = warnings.length === 0;
}

function short(address) {
  return { node: Object.assign(element("span", `${address.slice(0, 6)}…${address.slice(-4)}`, "address"), { title: address }) };
}

function liquidationRow(each) {
  return row(
    { text: each.timestamp.replace("T", " ").replace("Z", ""), title: age(each.timestamp) },
    each.asset, each.side, each.method,
    { text: digits(each.amount_usd, 2), className: "number", title: each.amount_usd },
    { text: digits(each.size), className: "number" },
    { text: digits(each.liquidation_price, 8), className: "number", title: each.liquidation_price },
    short(each.user),
    { text: each.observed_by.join(", "), className: "quiet" },
  );
}

function takeLiquidations(list, arrived) {
  const fresh = new Set();
  for (const each of list) {
    const known = seen.get(each.liquidation_id);
    if (known && known.version >= each.version) continue;
    seen.set(each.liquidation_id, each);
    fresh.add(each.liquidation_id);
  }
  if (fresh.size === 0) return;
  const newest = [...seen.values()].sort((a, b) => (a.timestamp === b.timestamp
    ? (a.liquidation_id < b.liquidation_id ? 1 : -1) : (a.timestamp < b.timestamp ? 1 : -1))).slice(0, SHOWN);
  seen.clear();
  for (const each of newest) seen.set(each.liquidation_id, each);
  $("liquidations").replaceChildren(...newest.map((each) => {
    const made = liquidationRow(each);
    if (arrived && fresh.has(each.liquidation_id)) made.classList.add("arrived");
    return made;
  }));
}

function explainNoLiquidations(meta) {
  const line = $("liquidations-empty");
  line.hidden = seen.size > 0;
  line.textContent = meta.stale
    ? "None stored. That does not mean that none happened: no source is live."
    : "None stored: the sources are heard and have told of none.";
}

function amount(each) {
  const held = element("span", each.amount_usd === null ? "unknown" : digits(each.amount_usd, 0));
  const [low, high] = [each.amount_usd_low, each.amount_usd_high];
  if (low !== null && high !== null && low !== high) {
    held.append(element("span", `${digits(low, 0)} to ${digits(high, 0)}`, "range"));
  }
  return held;
}

function reportLinks(reports) {
  const held = element("span");
  reports.forEach((report, at) => {
    if (at) held.append(" ");
    const safe = /^https?:\/\//.test(report.source_url);
    const made = element(safe ? "a" : "span", String(at + 1));
    made.title = `${report.title} (${report.grade})`;
    if (safe) { made.href = report.source_url; made.rel = "noopener noreferrer"; made.target = "_blank"; made.setAttribute("aria-label", report.title); }
    held.append(made);
  });
  return held;
}

const PRECISION = { year: 4, month: 7, day: 10 };

function exploitRow(each) {
  const link = element("a", each.name);
  link.href = `/exploits/${encodeURIComponent(each.tx_hash)}`;
  const moment = each.timestamp.slice(0, PRECISION[each.timestamp_precision] || 16).replace("T", " ");
  return row(
    { text: moment, title: `to the ${each.timestamp_precision}` },
    { node: link, className: "wrap", title: each.description },
    each.kind.replaceAll("_", " "), each.category.replaceAll("_", " "),
    { node: amount(each), className: "number", title: each.amount_note },
    each.status, each.confidence, reportLinks(each.reports),
  );
}

async function ask(path) {
  const answer = await fetch(path, { headers: { Accept: "application/json" }, cache: "no-store" });
  const body = await answer.json();
  if (!answer.ok && body.code) throw new Error(body.detail || body.title);
  return body;
}

async function askAll() {
  try {
    const health = await ask("/health");
    clockOffset = Date.parse(health.as_of) - Date.now();
    sources = health.sources || sources;
    reach = { at: now(), why: health.database.reachable ? null : "the database does not answer" };
    showSources();
    showStatus(health);
    if (!health.database.reachable) return;
    const page = await ask(`/liquidations?limit=${SHOWN}`);
    takeLiquidations(page.data, seen.size > 0);
    showWarnings("liquidations-warnings", page.meta.warnings);
    explainNoLiquidations(page.meta);
  } catch (error) {
    showUnreachable(error instanceof TypeError ? "the server does not answer" : error.message);
  }
}

async function askExploits() {
  try {
    const page = await ask("/exploits?limit=200");
    $("exploits").replaceChildren(...page.data.map(exploitRow));
    showWarnings("exploits-warnings", page.meta.warnings);
    $("exploits-empty").hidden = page.data.length > 0;
    $("exploits-empty").textContent = "None stored.";
  } catch (error) {
    $("exploits-empty").hidden = $("exploits").childElementCount > 0;
    $("exploits-empty").textContent = `Unknown: ${error.message}`;
  }
}

function showTransport(streaming) {
  $("transport").textContent = streaming
    ? `Connected to the stream: what is stored appears by itself (last word ${age(new Date(lastFrame + clockOffset).toISOString())}).`
    : `The stream is not connected: asking every ${ASK_EVERY / 1000} s instead.`;
}

const streaming = () => socket !== null && socket.readyState === WebSocket.OPEN && lastFrame > 0;

function listen() {
  const opened = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/stream`);
  opened.addEventListener("open", () => opened.send(JSON.stringify({ method: "subscribe", subscription: { type: "liquidations" } })));
  opened.addEventListener("message", (event) => {
    lastFrame = Date.now();
    const frame = JSON.parse(event.data);
    if (frame.channel === "liquidations") takeLiquidations(frame.data, true);
    if (frame.channel === "error") opened.close();
  });
  opened.addEventListener("close", () => {
    socket = null;
    lastFrame = 0;
    setTimeout(listen, RECONNECT_AFTER);
  });
  socket = opened;
}

function tick() {
  if (socket && lastFrame && Date.now() - lastFrame > STREAM_SILENCE) socket.close();
  showTransport(streaming());
  if (sources.length) showSources();
}

// While the stream brings liquidations the list is asked for rarely: for its warnings.
let turns = 0;
async function keepAsking() {
  if (!streaming() || turns % 3 === 0) await askAll();
  if (turns % 30 === 0) await askExploits();
  turns += 1;
  setTimeout(keepAsking, ASK_EVERY);
}

listen();
keepAsking();
setInterval(tick, 1000);
