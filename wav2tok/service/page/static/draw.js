// Pictures of sound on a canvas.

const FFT = 1024;
const ROWS = 96;
const RANGE = 6.5; // in powers of ten: what is 65 dB below the loudest is background

export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// A canvas as large as it is shown, and its size in CSS pixels.
export function surface(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { context, width, height };
}

export function waveform(canvas, { samples }) {
  const { context, width, height } = surface(canvas);
  let peak = 1e-9;
  for (const x of samples) peak = Math.max(peak, Math.abs(x));
  context.fillStyle = colour("--ours");
  for (let x = 0; x < width; x++) {
    const end = Math.max(Math.floor(((x + 1) * samples.length) / width), Math.floor((x * samples.length) / width) + 1);
    let [low, high] = [0, 0];
    for (let i = Math.floor((x * samples.length) / width); i < Math.min(end, samples.length); i++) {
      low = Math.min(low, samples[i]);
      high = Math.max(high, samples[i]);
    }
    const top = (0.5 - (0.46 * high) / peak) * height;
    context.fillRect(x, top, 1, Math.max(1, ((0.46 * (high - low)) / peak) * height));
  }
}

// How loud a recording is, 0 to 1, as far as there is room for the latest.
export function levels(canvas, heard) {
  const { context, width, height } = surface(canvas);
  context.fillStyle = colour("--bad");
  const bars = Math.floor(width / 5);
  heard.slice(-bars).forEach((level, i) => {
    const tall = Math.max(2, level * height);
    context.fillRect(5 * i, (height - tall) / 2, 3, tall);
  });
}

// Powers on a mel scale up to 5 kHz, where voices are.
export function spectrogram(canvas, { samples, rate }) {
  const { context, width, height } = surface(canvas);
  const columns = Math.min(Math.round(width), 1200);
  const highest = Math.min(5000, rate / 2);
  const mel = (hz) => Math.log10(1 + hz / 700);
  const edges = Array.from({ length: ROWS + 1 }, (_, row) => {
    const hz = 700 * (10 ** (mel(60) + ((mel(highest) - mel(60)) * row) / ROWS) - 1);
    return (hz / rate) * FFT;
  });
  const powers = new Float32Array(columns * ROWS);
  const [real, imaginary] = [new Float64Array(FFT), new Float64Array(FFT)];
  let loudest = 1e-12;
  for (let column = 0; column < columns; column++) {
    const middle = Math.round(((column + 0.5) * samples.length) / columns);
    for (let i = 0; i < FFT; i++) {
      const x = samples[middle - FFT / 2 + i] ?? 0;
      real[i] = x * (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / FFT));
      imaginary[i] = 0;
    }
    transform(real, imaginary);
    for (let row = 0; row < ROWS; row++) {
      const [first, last] = [Math.floor(edges[row]), Math.max(Math.ceil(edges[row + 1]), Math.floor(edges[row]) + 1)];
      let sum = 0;
      for (let bin = first; bin < last; bin++) sum += real[bin] ** 2 + imaginary[bin] ** 2;
      powers[column * ROWS + row] = sum / (last - first);
      loudest = Math.max(loudest, sum / (last - first));
    }
  }
  const picture = new ImageData(columns, ROWS);
  const [low, high] = [colour("--low"), colour("--high")].map((text) => text.split(" ").map(Number));
  for (let column = 0; column < columns; column++) {
    for (let row = 0; row < ROWS; row++) {
      const level = Math.max(0, 1 + Math.log10(powers[column * ROWS + row] / loudest + 1e-12) / RANGE) ** 1.7;
      const at = 4 * ((ROWS - 1 - row) * columns + column);
      for (let i = 0; i < 3; i++) picture.data[at + i] = low[i] + (high[i] - low[i]) * level;
      picture.data[at + 3] = 255;
    }
  }
  const small = document.createElement("canvas");
  [small.width, small.height] = [columns, ROWS];
  small.getContext("2d").putImageData(picture, 0, 0);
  context.drawImage(small, 0, 0, width, height);
}

// The discrete Fourier transform in place (Cooley and Tukey, 1965); the length is a power of two.
export function transform(real, imaginary) {
  const n = real.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j], real[i]];
      [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
    }
  }
  for (let size = 2; size <= n; size <<= 1) {
    for (let k = 0; k < size / 2; k++) {
      const angle = (-2 * Math.PI * k) / size;
      const [c, s] = [Math.cos(angle), Math.sin(angle)];
      for (let at = k; at < n; at += size) {
        const to = at + size / 2;
        const [x, y] = [real[to] * c - imaginary[to] * s, real[to] * s + imaginary[to] * c];
        [real[to], imaginary[to]] = [real[at] - x, imaginary[at] - y];
        [real[at], imaginary[at]] = [real[at] + x, imaginary[at] + y];
      }
    }
  }
}
