/** The built-in backgrounds: drawn here, so that none has to be stored. */

const WIDTH = 1280;
const HEIGHT = 720;

function gradient(context, colours) {
  const fill = context.createLinearGradient(0, 0, 0, HEIGHT);
  colours.forEach((colour, index) => fill.addColorStop(index / (colours.length - 1), colour));
  context.fillStyle = fill;
  context.fillRect(0, 0, WIDTH, HEIGHT);
}

/** Discs of light, at places that are the same each time. */
function lights(context, colours, count) {
  let state = 7;
  const next = () => (state = (state * 16807) % 2147483647) / 2147483647;
  for (let index = 0; index < count; index++) {
    context.globalAlpha = 0.12 + 0.25 * next();
    context.fillStyle = colours[index % colours.length];
    context.beginPath();
    context.arc(WIDTH * next(), HEIGHT * next(), 25 + 75 * next(), 0, 2 * Math.PI);
    context.fill();
  }
  context.globalAlpha = 1;
}

const DRAWINGS = {
  Studio: (context) => {
    const fill = context.createRadialGradient(WIDTH / 2, HEIGHT * 0.45, 60, WIDTH / 2, HEIGHT / 2, WIDTH * 0.6);
    fill.addColorStop(0, "#eceff1");
    fill.addColorStop(1, "#8c979d");
    context.fillStyle = fill;
    context.fillRect(0, 0, WIDTH, HEIGHT);
  },
  Dusk: (context) => gradient(context, ["#2b3a67", "#8a5a83", "#f0a271", "#ffd9a0"]),
  Garden: (context) => {
    gradient(context, ["#cfe8b4", "#6fa05a", "#2f5a37"]);
    lights(context, ["#f4ffd8", "#a9d678", "#ffe9a8"], 45);
  },
  Night: (context) => {
    gradient(context, ["#0a1026", "#1c2747"]);
    lights(context, ["#ffb454", "#ff6f61", "#5ab4ff", "#ffe08a"], 60);
  },
};

function drawing(draw) {
  const canvas = document.createElement("canvas");
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  draw(canvas.getContext("2d"));
  return canvas;
}

/** Buttons for the backgrounds in an element; `onChoose` gets the picture as a File. */
export function showBuiltIn(element, onChoose) {
  for (const [name, draw] of Object.entries(DRAWINGS)) {
    const canvas = drawing(draw);
    const button = document.createElement("button");
    button.type = "button";
    button.title = name;
    button.setAttribute("aria-label", `Background ${name}`);
    const small = document.createElement("canvas");
    small.width = 128;
    small.height = 72;
    small.getContext("2d").drawImage(canvas, 0, 0, small.width, small.height);
    button.append(small);
    button.addEventListener("click", () => {
      canvas.toBlob((blob) => onChoose(new File([blob], name, { type: "image/jpeg" })), "image/jpeg", 0.95);
    });
    element.append(button);
  }
}
