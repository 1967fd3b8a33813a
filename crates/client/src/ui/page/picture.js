// Bytes as pictures: a pixel a byte, brighter for larger ones.

export function fromBase64(text) {
  const binary = atob(text);
  return Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
}

/** Draws in the canvas' own colours, its background for 0, its text colour for 255, and as many bytes a row as it is wide. */
export function draw(canvas, data) {
  const { backgroundColor, color } = getComputedStyle(canvas);
  const [low, high] = [backgroundColor, color].map(channels);
  canvas.height = Math.max(1, Math.ceil(data.length / canvas.width));
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  data.forEach((byte, at) => {
    for (let channel = 0; channel < 3; channel++) {
      image.data[4 * at + channel] = low[channel] + ((high[channel] - low[channel]) * byte) / 255;
    }
    image.data[4 * at + 3] = 255;
  });
  context.putImageData(image, 0, 0);
}

/** "ce 21 79 …", of the first bytes. */
export function hex(data, first = 48) {
  const digits = Array.from(data.subarray(0, first), (byte) => byte.toString(16).padStart(2, "0"));
  return digits.join(" ") + (data.length > first ? " …" : "");
}

const channels = (color) => color.match(/[\d.]+/g).slice(0, 3).map(Number);
