import { showBuiltIn } from "./backgrounds.js";
import { LiveCamera } from "./camera.js";
import { MEDIA_TYPE, pack, unpack } from "./messages.js";

const byId = (id) => document.getElementById(id);
const form = byId("settings");
const NO_SERVER = "The demo's server does not answer. Is it still running?";
const limits = { max_upload_bytes: Infinity };

let picture = null; // the Blob that is to be shown
let shown = null; // the last one that could be
let opened = false; // whether anything was to be shown
let background = null;
let camera = null;
let result = null; // { blob, name } for the download
let working = false;
let waiting = false;

// --- settings ---------------------------------------------------------------------------------

const chosen = (name) => form.elements[name].value;

function settings() {
  const effect = chosen("effect");
  return {
    effect: effect === "picture" && !background ? "cutout" : effect,
    blur_sigma: byId("blur-sigma").valueAsNumber,
    blur_strength: byId("blur-strength").valueAsNumber,
    model: chosen("model"),
    people: chosen("people"),
    colour: byId("colour").value,
  };
}

function settingsChanged() {
  byId("colour-row").hidden = chosen("effect") !== "colour";
  byId("background-row").hidden = chosen("effect") !== "picture";
  byId("strength-row").hidden = !["blur", "portrait"].includes(chosen("effect"));
  byId("blur-strength-value").textContent = `${Math.round(100 * byId("blur-strength").valueAsNumber)} %`;
  byId("blur-sigma-value").textContent = `${byId("blur-sigma").valueAsNumber.toFixed(1)} px`;
  refresh();
}

// --- messages to the person -------------------------------------------------------------------

function showError(text, name = "") {
  byId("error-text").textContent = name ? `${name}: ${text}` : text[0].toUpperCase() + text.slice(1);
  byId("error").hidden = false;
}

function hideError() {
  byId("error").hidden = true;
}

function showStatus(text) {
  byId("status").textContent = text;
}

function people(count) {
  if (count === 0) return "nobody found";
  return count === 1 ? "1 person" : `${count} people`;
}

// --- results ----------------------------------------------------------------------------------

async function draw(canvas, blob) {
  // As the bytes say: a colour profile or premultiplied alpha would change values.
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  if (canvas.width !== bitmap.width) canvas.width = bitmap.width;
  if (canvas.height !== bitmap.height) canvas.height = bitmap.height;
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
}

async function showResult(header, parts, name) {
  const { effect } = header;
  const mask = new Blob([parts[0]], { type: "image/png" });
  const blob = parts.length > 1 ? new Blob([parts[1]], { type: header.media_type }) : mask;
  await Promise.all([draw(byId("mask"), mask), draw(byId("result"), blob)]);
  const extension = blob.type === "image/jpeg" ? "jpg" : "png";
  result = { blob, name: `${name}_${effect}.${extension}` };
  byId("result").setAttribute("aria-label", `Result: ${effect}`);
  byId("stage").classList.add("full");
  byId("stage").classList.toggle("transparent", effect === "cutout");
  byId("result").hidden = false;
  byId("download").disabled = false;
  byId("copy").disabled = !window.ClipboardItem;
}

const STAGES = ["decode", "preprocess", "detection", "segmentation", "postprocess", "total", "effect", "encode"];
const LABELS = { total: "mask, in all" };
const rows = new Map(
  STAGES.map((stage) => {
    const row = byId("timings").tBodies[0].insertRow();
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = LABELS[stage] ?? stage;
    row.append(head);
    const bar = row.insertCell().appendChild(document.createElement("div"));
    bar.className = "length";
    bar.hidden = true;
    const figure = row.insertCell();
    figure.textContent = "–";
    if (stage === "total") row.className = "total";
    if (["decode", "effect", "encode"].includes(stage)) row.className = "around";
    return [stage, { bar, figure }];
  }),
);

function showTimings(timings) {
  const longest = Math.max(...STAGES.map((stage) => timings[stage]));
  for (const [stage, { bar, figure }] of rows) {
    bar.hidden = false;
    bar.style.width = `${(100 * timings[stage]) / longest}%`;
    figure.textContent = timings[stage].toFixed(1);
  }
}

// --- pictures ---------------------------------------------------------------------------------

/** Show the picture again with the settings of now; the last of several calls counts. */
async function refresh() {
  if (camera || !picture) return;
  waiting = true;
  if (working) return;
  working = true;
  byId("stage").setAttribute("aria-busy", "true");
  try {
    while (waiting && picture && !camera) {
      waiting = false;
      await segmentPicture();
    }
  } finally {
    working = false;
    byId("stage").setAttribute("aria-busy", "false");
  }
}

async function segmentPicture() {
  const asked = settings();
  const sent = picture;
  const parts = asked.effect === "picture" ? [sent, background] : [sent];
  const message = pack(asked, parts);
  if (!result) showStatus("Working …");
  try {
    if (message.size > limits.max_upload_bytes) {
      throw new Error(`that is too large: the demo takes ${limits.max_upload_bytes / 2 ** 20} MiB at a time`);
    }
    const response = await fetch("segment", {
      method: "POST",
      headers: { "Content-Type": MEDIA_TYPE },
      body: message,
    });
    if (!response.ok) {
      const problem = await response.json().catch(() => ({}));
      throw new Error(problem.error ?? `the server answered ${response.status}`);
    }
    const answer = unpack(await response.arrayBuffer());
    if (camera || sent !== picture) return;
    const name = (sent.name ?? "picture").replace(/\.[^.]*$/, "");
    await showResult(answer.header, answer.parts, name);
    showTimings(answer.header.timings_ms);
    if (sent !== shown) {
      URL.revokeObjectURL(byId("input").src);
      byId("input").src = byId("before").src = URL.createObjectURL(sent);
      shown = sent;
    }
    showComparison(true);
    byId("pair").hidden = false;
    const { width, height, persons, damaged } = answer.header;
    const warning = damaged ? " The file is damaged: a part of the picture is missing." : "";
    showStatus(`${width} × ${height} pixels, ${people(persons)}.${warning}`);
  } catch (error) {
    const gone = error instanceof TypeError; // what fetch raises when nobody answers
    if (!gone) showError(error.message, sent.name);
    else if (byId("error").hidden) showError(NO_SERVER); // the webcam may have told it already
    if (!result) showStatus("Nothing loaded yet.");
    if (sent === picture && sent !== shown) {
      picture = shown;
      waiting = true; // the last good one, with the settings of now
    }
  }
}

/** The picture as it was, over a part of the result. */
function showComparison(isStill) {
  byId("before").hidden = byId("compare-row").hidden = !isStill;
  byId("before").style.clipPath = `inset(0 ${100 - byId("compare").valueAsNumber}% 0 0)`;
}

async function copyResult() {
  try {
    let { blob } = result;
    if (blob.type !== "image/png") {
      // Of a webcam's frame: a clipboard takes PNG alone.
      blob = await new Promise((resolve) => byId("result").toBlob(resolve, "image/png"));
    }
    await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
    showStatus("The result is in the clipboard.");
  } catch (error) {
    showError(`the browser did not let the result be copied: ${error.message}`);
  }
}

function openPicture(blob) {
  if (!blob) return;
  hideError();
  opened = true;
  picture = blob;
  camera?.close();
  refresh();
}

function openBackground(blob) {
  if (!blob) return;
  hideError();
  background = blob;
  byId("background-name").textContent = blob.name ?? "a picture";
  form.elements.effect.value = "picture";
  settingsChanged();
  if (camera) camera.background = blob;
  refresh();
}

// --- the webcam -------------------------------------------------------------------------------

const live = { times: [], timings: null, drawing: false };

async function showLive({ header, parts, latency_ms }) {
  // A running mean, for single frames' times can't be read.
  live.timings ??= header.timings_ms;
  for (const [stage, time] of Object.entries(header.timings_ms)) {
    live.timings[stage] += 0.1 * (time - live.timings[stage]);
  }
  if (live.drawing) return;
  live.drawing = true;
  const source = camera;
  try {
    await showResult(header, parts, "webcam");
    if (source !== camera) return; // stopped meanwhile
    const now = performance.now();
    live.times = live.times.filter((time) => now - time < 2000).concat(now);
    showTimings(live.timings);
    const seconds = (now - live.times[0]) / 1000;
    const rate = seconds > 0 ? ((live.times.length - 1) / seconds).toFixed(0) : "–";
    showStatus(
      `${header.width} × ${header.height} pixels, ${people(header.persons)}, ${rate} frames a second, ` +
        `${latency_ms.toFixed(0)} ms behind; ${header.dropped} passed over for newer ones.`,
    );
  } finally {
    live.drawing = false;
  }
}

function cameraEnded() {
  camera = null;
  byId("camera").textContent = "Use the webcam";
  byId("camera").classList.remove("on");
  byId("video").hidden = true;
  byId("input").hidden = false;
  byId("status").setAttribute("aria-live", "polite");
  byId("pair").hidden = !shown;
  showStatus("The webcam is off.");
  if (picture) refresh();
}

function toggleCamera() {
  if (camera) {
    camera.close();
    return;
  }
  hideError();
  Object.assign(live, { times: [], timings: null });
  camera = new LiveCamera(byId("video"), {
    settings,
    onResult: showLive,
    onError: showError,
    onEnd: cameraEnded,
  });
  showComparison(false);
  byId("camera").textContent = "Stop the webcam";
  byId("camera").classList.add("on");
  byId("input").hidden = true;
  byId("video").hidden = false;
  byId("pair").hidden = false; // a video that isn't shown need not give frames
  byId("status").setAttribute("aria-live", "off"); // it changes with every frame
  showStatus("Starting the webcam …");
  camera.background = background;
  camera.open();
}

// --- controls ---------------------------------------------------------------------------------

form.addEventListener("input", () => {
  hideError();
  settingsChanged();
});
form.addEventListener("submit", (event) => event.preventDefault());
byId("choose").addEventListener("click", () => byId("file").click());
byId("file").addEventListener("change", ({ target }) => {
  openPicture(target.files[0]);
  target.value = ""; // the same file may be chosen again
});
byId("choose-background").addEventListener("click", () => byId("background").click());
byId("background").addEventListener("change", ({ target }) => {
  openBackground(target.files[0]);
  target.value = "";
});
byId("camera").addEventListener("click", toggleCamera);
byId("copy").addEventListener("click", copyResult);
byId("compare").addEventListener("input", () => showComparison(true));
showBuiltIn(byId("built-in"), openBackground);
byId("error-close").addEventListener("click", hideError);
byId("download").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(result.blob);
  link.download = result.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
});

document.addEventListener("paste", ({ clipboardData }) => openPicture(clipboardData.files[0]));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  byId("drop").classList.add("over");
});
document.addEventListener("dragleave", ({ relatedTarget }) => {
  if (!relatedTarget) byId("drop").classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  byId("drop").classList.remove("over");
  openPicture(event.dataTransfer.files[0]);
});

/** What the library does, before anything was chosen. */
async function openSample() {
  const response = await fetch("sample.jpg");
  if (!response.ok) return;
  const content = await response.blob();
  // Asked only now: meanwhile somebody may have opened a picture, even one that was refused.
  if (opened) return;
  picture = new File([content], "sample.jpg", { type: "image/jpeg" });
  refresh(); // at once, or when the webcam ends; no message of the webcam's is taken away
}

// --- the start --------------------------------------------------------------------------------

settingsChanged(); // a browser may have kept those of before
try {
  const { model, ...rest } = await (await fetch("settings")).json();
  Object.assign(limits, rest);
  form.elements.model.value = model;
  refresh(); // what was opened meanwhile
  await openSample();
} catch {
  showError(NO_SERVER);
}
