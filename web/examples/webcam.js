/** The webcam with its background blurred or replaced, frame by frame. */

import { UpperBodySegmenter } from "../index.js";

const form = document.forms[0];
const status = document.getElementById("status");
const canvas = document.getElementById("result");
const context = canvas.getContext("2d");
const person = new OffscreenCanvas(1, 1);
const cover = new OffscreenCanvas(1, 1);
const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });

let stream = null;
let picture = null;
let segmenter = null;

/** The frame's person alone, everything else transparent. */
function cutOut(frame, { mask, width, height }) {
  if (cover.width !== width || cover.height !== height)
    for (const layer of [cover, person, canvas]) Object.assign(layer, { width, height });
  const alpha = new ImageData(width, height);
  for (let i = 0; i < mask.length; i++) alpha.data[4 * i + 3] = mask[i];
  cover.getContext("2d").putImageData(alpha, 0, 0);
  const layer = person.getContext("2d");
  layer.globalCompositeOperation = "copy";
  layer.drawImage(frame, 0, 0, width, height);
  layer.globalCompositeOperation = "destination-in";
  layer.drawImage(cover, 0, 0);
  return person;
}

/** Fill the canvas with a picture, cut where it is longer than the frame. */
function drawCovering(image) {
  const scale = Math.max(canvas.width / image.width, canvas.height / image.height);
  const [width, height] = [image.width * scale, image.height * scale];
  context.drawImage(image, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
}

function draw(frame, output) {
  const cut = cutOut(frame, output);
  const kind = form.elements.background.value;
  context.filter = kind === "blur" ? `blur(${form.elements.strength.value}px)` : "none";
  if (kind === "colour") {
    context.fillStyle = form.elements.colour.value;
    context.fillRect(0, 0, canvas.width, canvas.height);
  } else if (kind === "picture" && picture) {
    drawCovering(picture);
  } else {
    context.drawImage(frame, 0, 0, canvas.width, canvas.height);
  }
  context.filter = "none";
  context.drawImage(cut, 0, 0);
}

async function follow(running) {
  let shown = 0;
  let since = performance.now();
  while (stream === running) {
    const frame = new VideoFrame(video, { timestamp: performance.now() * 1000 });
    try {
      const output = await segmenter.process(frame, { timestamp: frame.timestamp });
      if (stream !== running) return;
      draw(frame, output);
    } finally {
      frame.close();
    }
    shown++;
    const seconds = (performance.now() - since) / 1000;
    if (seconds >= 1) {
      status.textContent = `${Math.round(shown / seconds)} frames a second`;
      [shown, since] = [0, performance.now()];
    }
    await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
  }
}

async function start() {
  status.textContent = "Loading";
  segmenter ??= await UpperBodySegmenter.create();
  const running = await navigator.mediaDevices.getUserMedia({ video: { width: 1280, height: 720 } });
  video.srcObject = stream = running;
  await video.play();
  form.elements.camera.textContent = "Stop the webcam";
  await follow(running);
}

async function stop() {
  for (const track of stream.getTracks()) track.stop();
  stream = null;
  await segmenter.reset();
  form.elements.camera.textContent = "Use the webcam";
  status.textContent = "The webcam is off.";
}

form.elements.camera.addEventListener("click", async () => {
  try {
    await (stream ? stop() : start());
  } catch (error) {
    if (stream) await stop();
    status.textContent = `${error.name}: ${error.message}`;
  }
});

form.elements.picture.addEventListener("change", async ({ target }) => {
  const [file] = target.files;
  if (!file) return;
  try {
    picture = await createImageBitmap(file);
  } catch {
    status.textContent = `${file.name} is no picture.`;
    return;
  }
  const [choice] = document.querySelectorAll("[name=background][value=picture]");
  choice.disabled = false;
  choice.checked = true;
});
