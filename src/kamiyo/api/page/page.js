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
let mode = "LIVE";
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
      Object.assign(held.dataset, cell.data);
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

function agedCell(timestamp, patience) {
  // Kept up to date by tick(): a number gets older while it stands here.
  return { data: { at: timestamp, patience }, title: timestamp, text: "" };
}

function showAges() {
  for (const cell of document.querySelectorAll("td[data-at]")) {
    const old = now() - Date.parse(cell.dataset.at) > cell.dataset.patience * 1000;
    cell.textContent = old ? `${age(cell.dataset.at)}, STALE` : age(cell.dataset.at);
    cell.className = old ? "bad" : "quiet";
  }
}

function percent(text, places) {
  // A fraction in hundredths: the point moves two places to the right.
  const [, sign, whole, fraction = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text);
  const shifted = (whole + fraction.slice(0, 2).padEnd(2, "0")).replace(/^0+(?=\d)/, "");
  return `${digits(`${sign}${shifted}.${fraction.slice(2).padEnd(places, "0")}`, places)} %`;
}

const known = (text, show) => (text === null ? "unknown" : show(text));

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
function showMode(named, recording) {
  // What does not happen now must not look as if it did: a bar over everything, and nothing green.
  mode = named;
  const live = named === "LIVE";
  $("mode").textContent = `mode ${named}`;
  $("mode").title = MODES[named] || "";
  $("banner").hidden = live;
  $("banner").textContent = live ? "" : `${named}: ${recording || "a recording"}. ${MODES[named] || ""}.`;
}

const titled = (words) => `${mode === "LIVE" ? "" : `${mode} · `}KAMIYO · ${words}`;
const green = () => (mode === "LIVE" ? "good" : "warn");

const HEALTH_CLASS = { live: "good", loaded: "none", behind: "warn", stale: "bad", down: "bad", unknown: "warn", inactive: "none", not_configured: "none" };

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
      {
        text: health === "live" && mode !== "LIVE" ? `live (${mode})` : health,
        className: health === "live" ? green() : HEALTH_CLASS[health] || "warn",
      },
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
  if (mode !== "LIVE") text = `${mode}, its sources: ${text}`;
  if (health.status === "ok" && live) className = green();
  if (health.status === "down") className = "bad";
  if (health.reasons.length) text += `: ${health.reasons.join("; ")}`;
  $("status").textContent = text;
  $("status").className = className;
  document.title = titled(words[health.status] || "unknown");
}

function showUnreachable(why) {
  reach = { at: reach.at, why };
  $("status").textContent = `unknown: ${why}`;
  $("status").className = "bad";
  document.title = titled("unknown");
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

function marketRow(each) {
  return row(
    each.asset,
    agedCell(each.timestamp, 60),
    { text: digits(each.mark_price), className: "number" },
    { text: digits(each.oracle_price), className: "number" },
    { text: percent(each.oracle_deviation, 2), className: "number", title: each.oracle_deviation },
    { text: known(each.open_interest_usd, (text) => digits(text, 0)), className: "number", title: each.open_interest },
    { text: known(each.funding_rate, (text) => percent(text, 5)), className: "number" },
    { text: known(each.day_volume_usd, (text) => digits(text, 0)), className: "number" },
  );
}

function vaultRow(each) {
  return row(
    { text: each.parent ? `${each.name || "a vault"}, child` : each.name, title: each.parent || "" },
    agedCell(each.timestamp, 600),
    short(each.vault),
    { text: known(each.account_value, (text) => digits(text, 0)), className: "number", title: each.account_value || "" },
    { text: known(each.total_pnl, (text) => digits(text, 0)), className: "number", title: each.total_pnl || "" },
  );
}

function positionRow(each) {
  return row(
    { text: known(each.distance, (text) => percent(text, 2)), className: "number" },
    agedCell(each.timestamp, 3600),
    each.asset, each.side,
    { text: digits(each.amount_usd, 0), className: "number", title: `size ${each.size}` },
    { text: digits(each.mark_price, 8), className: "number" },
    { text: known(each.liquidation_price, (text) => digits(text, 8)), className: "number" },
    `${known(each.leverage, (text) => `${digits(text)}×`)} ${each.margin_mode}`,
    short(each.user),
  );
}

const STATES = {
  markets: { path: () => `/markets?limit=50&sort=${$("markets-sort").value}`, row: marketRow },
  vaults: { path: () => "/vaults?limit=50", row: vaultRow },
  positions: { path: () => "/positions?limit=50&max_distance=1", row: positionRow },
};

async function askStates() {
  for (const [name, each] of Object.entries(STATES)) {
    try {
      const page = await ask(each.path());
      // A recording is played many times as fast as our clock runs.
      if (mode !== "LIVE") clockOffset = Date.parse(page.meta.as_of) - Date.now();
      $(name).replaceChildren(...page.data.map(each.row));
      showWarnings(`${name}-warnings`, page.meta.warnings);
      $(`${name}-note`).textContent = page.meta.has_more ? `The first ${page.data.length} are shown; all are at /${name}.` : "";
      $(`${name}-empty`).hidden = page.data.length > 0;
      $(`${name}-empty`).textContent = "None stored. That does not mean that there are none.";
    } catch (error) {
      const why = error instanceof TypeError ? "the server does not answer" : error.message;
      const known = $(name).childElementCount > 0;
      $(`${name}-note`).textContent = known ? `Last known: ${why}.` : "";
      $(`${name}-empty`).hidden = known;
      $(`${name}-empty`).textContent = `Unknown: ${why}.`;
    }
  }
  showAges();
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
    showMode(health.mode, health.recording);
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
    if (frame.channel === "hello") showMode(frame.mode, frame.recording);
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
  showAges();
}

// While the stream brings liquidations the list is asked for rarely: for its warnings.
let turns = 0;
async function keepAsking() {
  if (!streaming() || turns % 3 === 0) await askAll();
  if (turns % 2 === 0) await askStates();
  if (turns % 30 === 0) await askExploits();
  turns += 1;
  setTimeout(keepAsking, ASK_EVERY);
}

$("markets-sort").addEventListener("change", askStates);
listen();
keepAsking();
setInterval(tick, 1000);
