import { Player } from "./player.js";
import { Talks } from "./talks.js";

const $ = (id) => document.getElementById(id);
const texts = await (await fetch("/page/texts.json")).json();
const player = new Player();
let language = localStorage.lgvi_language ?? (navigator.language.startsWith("zh") ? "zh" : "en");
let item = null;
let candidates = [];
let progress = null;
let isBusy = false;
let isTalking = false;

function say(key, values = {}) {
  return texts[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

async function call(path, body) {
  const options = body && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  try {
    const answer = await fetch(path, options);
    const content = await answer.json();
    if (!answer.ok) throw new Error(content.detail ?? answer.status);
    tell("");
    return content;
  } catch (error) {
    tell(say("lost", { reason: error.message }));
    throw error;
  }
}

function tell(text) {
  $("message").textContent = text;
  $("message").hidden = !text;
}

function annotator() {
  return $("annotator").value.trim();
}

const talks = new Talks({ $, say, call, tell, annotator });

function translate() {
  document.documentElement.lang = language;
  document.title = `LGVI: ${say("title")}`;
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = say(node.dataset.text);
  for (const node of document.querySelectorAll("[data-label]")) node.ariaLabel = say(node.dataset.label);
  $("language").textContent = language === "en" ? "中文" : "English";
  $("language").lang = language === "en" ? "zh" : "en";
  if (progress && !isTalking) $("progress").textContent = say("progress", progress);
  if (item) label();
  if (isTalking) talks.translate();
}

async function show(answer) {
  progress = answer.progress;
  item = answer.item;
  $("progress").textContent = say("progress", progress);
  $("tiles").replaceChildren();
  $("words").hidden = $("tools").hidden = !item;
  stopMending(false);
  if (!item) {
    tell(say("finished"));
    return;
  }
  candidates = [...item.candidates].sort((a, b) => a.grow - b.grow);
  const tiles = [
    { url: item.source, isOutlined: true, canvas: tile("source") },
    ...candidates.map((c, i) => ({ url: c.picture, canvas: tile(String(i)) })),
  ];
  words();
  label();
  $("frame").max = item.preview.frames - 1;
  $("tiles").ariaBusy = "true";
  await player.load(item, tiles);
  $("tiles").ariaBusy = "false";
}

function tile(name) {
  const figure = document.createElement("figure");
  const canvas = document.createElement("canvas");
  figure.dataset.tile = name;
  figure.append(canvas);
  const choose = document.createElement(name === "source" ? "figcaption" : "button");
  if (name !== "source") choose.addEventListener("click", () => choose_(candidates[Number(name)].grow));
  figure.append(choose);
  $("tiles").append(figure);
  dragging(canvas);
  return canvas;
}

function label() {
  for (const figure of $("tiles").children) {
    const caption = figure.lastChild;
    caption.replaceChildren();
    if (figure.dataset.tile === "source") {
      caption.append(say("source"));
      continue;
    }
    const number = Number(figure.dataset.tile);
    const candidate = candidates[number];
    const key = document.createElement("kbd");
    key.textContent = number + 1;
    caption.append(key, ` d = ${candidate.grow}`);
    const note = document.createElement("small");
    if (candidate.refused) note.textContent = `${say("refused")}: ${candidate.refused}`;
    else if (candidate === item.candidates[0]) note.textContent = say("suggested");
    caption.append(" ", note);
    figure.classList.toggle("refused", Boolean(candidate.refused));
  }
}

function words() {
  $("expressions").replaceChildren(
    ...item.expressions.map((text) => {
      const input = document.createElement("input");
      input.value = text;
      input.readOnly = true;
      input.maxLength = 1000;
      input.size = Math.max(12, text.length);
      input.addEventListener("click", mend);
      return input;
    }),
  );
}

function mend() {
  if (!$("mended").hidden) return;
  for (const input of $("expressions").children) input.readOnly = false;
  $("mend").hidden = true;
  $("mended").hidden = false;
  $("expressions").firstChild.focus();
}

function stopMending(keep = true) {
  for (const input of $("expressions").children) input.readOnly = true;
  if (!keep && item) words();
  $("mend").hidden = false;
  $("mended").hidden = true;
  document.activeElement?.blur();
}

async function choose_(choice) {
  if (isBusy || !item) return;
  isBusy = true;
  try {
    const expressions = [...$("expressions").children].map((input) => input.value);
    const { item: name, revision } = item;
    const made = { item: name, revision, annotator: annotator(), choice: String(choice), expressions };
    await call("/api/choices", made);
    await next();
  } finally {
    isBusy = false;
  }
}

async function next(after) {
  const query = new URLSearchParams({ annotator: annotator(), ...(after && { after }) });
  await show(await call(`/api/next?${query}`));
}

async function undo() {
  if (isBusy) return;
  isBusy = true;
  try {
    const answer = await call("/api/undo", { annotator: annotator() });
    if (answer.item) await show(answer);
  } finally {
    isBusy = false;
  }
}

function compare(isOn) {
  player.isComparing = isOn;
  $("compare").ariaPressed = String(isOn);
  document.body.classList.toggle("comparing", isOn);
  player.draw();
}

function pause() {
  player.isPaused = !player.isPaused;
  $("pause").ariaPressed = String(player.isPaused);
}

function zoom() {
  player.zoomOn();
  $("zoom").ariaPressed = String(player.zoom > 0);
}

// A finger or the mouse: a drag moves what is zoomed in; held still, it shows the source.
function dragging(canvas) {
  canvas.addEventListener("pointerdown", (down) => {
    canvas.setPointerCapture(down.pointerId);
    let [x, y] = [down.clientX, down.clientY];
    const held = setTimeout(() => compare(true), 250);
    const move = (event) => {
      if (Math.hypot(event.clientX - down.clientX, event.clientY - down.clientY) > 6) clearTimeout(held);
      player.pan((event.clientX - x) / canvas.clientWidth, (event.clientY - y) / canvas.clientHeight);
      [x, y] = [event.clientX, event.clientY];
    };
    const up = () => {
      clearTimeout(held);
      compare(false);
      canvas.removeEventListener("pointermove", move);
    };
    canvas.addEventListener("pointermove", move);
    canvas.addEventListener("pointerup", up, { once: true });
    canvas.addEventListener("pointercancel", up, { once: true });
  });
}

function onKey(event) {
  const isTyping = event.target.matches("textarea, input:not([readonly]):not([type=range])");
  if (isTalking) return talks.key(event);
  if (event.key === "Escape" && !$("mended").hidden) return stopMending(false);
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || !item || $("choosing").hidden) return;
  const number = Number(event.key);
  const actions = {
    0: () => choose_("none"), n: () => choose_("none"), e: mend, u: undo, s: () => next(item.item),
    z: zoom, p: pause, " ": () => compare(true), l: switchLanguage,
    ArrowLeft: () => step(-1), ArrowRight: () => step(1),
  };
  const act = number >= 1 && number <= candidates.length
    ? () => choose_(candidates[number - 1].grow)
    : actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act || (event.repeat && event.key !== "ArrowLeft" && event.key !== "ArrowRight")) return;
  event.preventDefault();
  act();
}

function step(by) {
  if (!player.isPaused) pause();
  player.show(player.frame + by);
}

function switchLanguage() {
  language = language === "en" ? "zh" : "en";
  localStorage.lgvi_language = language;
  translate();
}

async function open(isTalks) {
  isTalking = isTalks;
  $("tab-choose").ariaPressed = String(!isTalks);
  $("tab-talks").ariaPressed = String(isTalks);
  $("choosing").hidden = isTalks;
  $("reading").hidden = !isTalks;
  $("who").hidden = true;
  tell("");
  await (isTalks ? talks.next() : next());
}

async function begin(event) {
  event?.preventDefault();
  if (!annotator()) return;
  localStorage.lgvi_annotator = annotator();
  document.activeElement?.blur();
  await open(false);
}

player.onframe = (frame) => ($("frame").value = frame);
$("frame").addEventListener("input", () => {
  if (!player.isPaused) pause();
  player.show(Number($("frame").value));
});
$("words").addEventListener("submit", (event) => { event.preventDefault(); stopMending(); });
$("mend").addEventListener("click", mend);
$("none").addEventListener("click", () => choose_("none"));
$("undo").addEventListener("click", undo);
$("skip").addEventListener("click", () => item && next(item.item));
$("zoom").addEventListener("click", zoom);
$("pause").addEventListener("click", pause);
$("compare").addEventListener("pointerdown", () => compare(true));
for (const end of ["pointerup", "pointerleave", "pointercancel"]) $("compare").addEventListener(end, () => compare(false));
$("language").addEventListener("click", switchLanguage);
$("tab-choose").addEventListener("click", () => annotator() && open(false));
$("tab-talks").addEventListener("click", () => annotator() && open(true));
$("who").addEventListener("submit", begin);
addEventListener("keydown", onKey);
addEventListener("keyup", (event) => event.key === " " && compare(false));
addEventListener("blur", () => compare(false));
addEventListener("unhandledrejection", (event) => event.preventDefault());
$("annotator").value = new URLSearchParams(location.search).get("name") ?? localStorage.lgvi_annotator ?? "";
translate();
await begin();
