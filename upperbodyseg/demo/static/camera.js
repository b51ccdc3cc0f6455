// The webcam: its frames to the server over a WebSocket, and what comes back.

import { pack, unpack } from "./messages.js";

const WIDTH = 640;
const HEIGHT = 480;
const JPEG_QUALITY = 0.9;

/** What to tell a person when the browser gives no camera. */
function cameraProblem(error) {
  const known = {
    NotAllowedError: "The webcam was not allowed. Allow it beside the address, then try again.",
    NotFoundError: "No webcam was found. Connect one, then try again.",
    NotReadableError: "The webcam can't be read. Another program may be using it.",
  };
  return known[error.name] ?? `The webcam can't be used: ${error.message}`;
}

/** A webcam that is being segmented, from `open` until `close` or until something fails. */
export class LiveCamera {
  #video;
  #stream;
  #socket;
  #canvas = document.createElement("canvas");
  #settings;
  #onResult;
  #onError;
  #onEnd;
  #sentAt = new Map();
  #frame = 0;
  #encoding = false;
  #background = null;
  #backgroundSent = false;
  #told = false; // the server has said what is wrong
  #closed = false;

  /**
   * `settings()` gives the settings for the next frame; `onResult({header, parts, latency_ms})` gets each
   * result, `onError(text)` what went wrong; `onEnd()` is called once, when it is over.
   */
  constructor(video, { settings, onResult, onError, onEnd }) {
    this.#video = video;
    this.#settings = settings;
    this.#onResult = onResult;
    this.#onError = onError;
    this.#onEnd = onEnd;
  }

  async open() {
    try {
      if (!navigator.mediaDevices) {
        throw new Error("this browser gives none to this page");
      }
      this.#stream = await navigator.mediaDevices.getUserMedia({
        video: { width: { ideal: WIDTH }, height: { ideal: HEIGHT }, frameRate: { ideal: 30 } },
      });
    } catch (error) {
      this.#fail(cameraProblem(error));
      return;
    }
    if (this.#closed) {
      this.#stopCamera();
      return;
    }
    this.#stream.getVideoTracks()[0].addEventListener("ended", () => this.#fail("The webcam has stopped."));
    this.#video.srcObject = this.#stream;
    await this.#video.play().catch(() => {});

    this.#socket = new WebSocket(`ws://${location.host}/live`);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.addEventListener("open", () => {
      this.#sendBackground();
      this.#nextFrame();
    });
    this.#socket.addEventListener("message", ({ data }) => this.#receive(data));
    this.#socket.addEventListener("close", ({ code }) => {
      const gone = code === 1006 || code === 1012;
      if (gone) this.#fail("The demo's server has stopped. Start it again, then reload this page.");
      else this.#fail(this.#told ? "" : `The demo has ended the stream (code ${code}).`);
    });
  }

  /** A Blob that the next frames are put before, or null. */
  set background(blob) {
    this.#background = blob;
    this.#sendBackground();
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket?.close();
    this.#stopCamera();
    this.#onEnd();
  }

  #stopCamera() {
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#video.srcObject = null;
  }

  #fail(text) {
    if (this.#closed) return;
    if (text) this.#onError(text);
    this.close();
  }

  async #sendBackground() {
    if (!this.#background || this.#socket?.readyState !== WebSocket.OPEN) return;
    const blob = this.#background;
    try {
      // No larger than it is going to be seen.
      const bitmap = await createImageBitmap(blob);
      const { videoWidth, videoHeight } = this.#video;
      const scale = Math.min(1, Math.max(videoWidth / bitmap.width, videoHeight / bitmap.height));
      const canvas = document.createElement("canvas");
      canvas.width = Math.max(1, Math.round(bitmap.width * scale));
      canvas.height = Math.max(1, Math.round(bitmap.height * scale));
      canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
      bitmap.close();
      const small = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", JPEG_QUALITY));
      if (blob === this.#background && this.#socket.readyState === WebSocket.OPEN) {
        this.#socket.send(pack({ kind: "background" }, [small]));
        this.#backgroundSent = true;
      }
    } catch {
      this.#onError("The background is no picture this browser can read.");
    }
  }

  #nextFrame() {
    if (this.#closed) return;
    const again = () => {
      this.#sendFrame();
      this.#nextFrame();
    };
    if ("requestVideoFrameCallback" in this.#video) this.#video.requestVideoFrameCallback(again);
    else setTimeout(again, 1000 / 30);
  }

  // Each frame as it comes: the server keeps the newest. Only what can't even leave this page is skipped.
  async #sendFrame() {
    const { videoWidth: width, videoHeight: height } = this.#video;
    if (this.#encoding || this.#socket.readyState !== WebSocket.OPEN || !width) return;
    if (this.#socket.bufferedAmount) return;
    this.#encoding = true;
    try {
      const now = performance.now();
      if (this.#canvas.width !== width) this.#canvas.width = width;
      if (this.#canvas.height !== height) this.#canvas.height = height;
      this.#canvas.getContext("2d").drawImage(this.#video, 0, 0);
      const jpeg = await new Promise((resolve) => this.#canvas.toBlob(resolve, "image/jpeg", JPEG_QUALITY));
      if (!jpeg || this.#closed || this.#socket.readyState !== WebSocket.OPEN) return;
      const frame = ++this.#frame;
      this.#sentAt.set(frame, now);
      const header = { kind: "frame", frame, timestamp_ms: Math.round(now), ...this.#settings() };
      if (header.effect === "picture" && !this.#backgroundSent) header.effect = "cutout";
      this.#socket.send(pack(header, [jpeg]));
    } finally {
      this.#encoding = false;
    }
  }

  #receive(data) {
    if (this.#closed) return;
    if (typeof data === "string") {
      this.#told = true;
      this.#onError(JSON.parse(data).error);
      return;
    }
    const { header, parts } = unpack(data);
    const latency_ms = performance.now() - this.#sentAt.get(header.frame);
    for (const frame of this.#sentAt.keys()) {
      if (frame > header.frame) break;
      this.#sentAt.delete(frame);
    }
    this.#onResult({ header, parts, latency_ms });
  }
}
