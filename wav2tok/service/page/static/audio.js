// Sound in the browser: decode whatever it plays, record, and write WAV for the program.

const LONGEST = 60;

// {samples, rate}: one channel at the model's rate, so that recordings of that rate stay as they are.
export async function decode(bytes, rate) {
  let decoded;
  try {
    decoded = await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes);
  } catch {
    throw new Error("This browser cannot play that file. Choose another, such as WAV, FLAC, MP3, OGG or M4A.");
  }
  if (!decoded.length) throw new Error("That recording is empty. Choose another.");
  const samples = new Float32Array(decoded.length);
  for (let channel = 0; channel < decoded.numberOfChannels; channel++) {
    const part = decoded.getChannelData(channel);
    for (let i = 0; i < samples.length; i++) samples[i] += part[i] / decoded.numberOfChannels;
  }
  return { samples, rate };
}

export function wav({ samples, rate }, from = 0, to = Infinity) {
  const part = samples.subarray(Math.round(from * rate), Math.min(samples.length, Math.round(to * rate)));
  const view = new DataView(new ArrayBuffer(44 + 2 * part.length));
  const text = (at, letters) => [...letters].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * part.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * part.length, true);
  part.forEach((x, i) => view.setInt16(44 + 2 * i, Math.max(-32768, Math.min(32767, Math.round(x * 32768))), true));
  return new Blob([view], { type: "audio/wav" });
}

// Seconds [from, to] without the silence before and after: what is 35 dB below the loudest 50 ms.
export function sounding({ samples, rate }) {
  const size = Math.max(1, Math.round(rate / 20));
  const power = [];
  for (let at = 0; at < samples.length; at += size) {
    let sum = 0;
    for (let i = at; i < Math.min(at + size, samples.length); i++) sum += samples[i] ** 2;
    power.push(sum / size);
  }
  const least = Math.max(...power) * 10 ** -3.5;
  const loud = power.map((p) => p > 0 && p >= least);
  const seconds = samples.length / rate;
  if (!loud.includes(true)) throw new Error("The recording is silent. Is the right microphone chosen and switched on?");
  const [first, last] = [loud.indexOf(true), loud.lastIndexOf(true) + 1];
  return [Math.max(0, (first * size) / rate - 0.1), Math.min(seconds, (last * size) / rate + 0.1)];
}

// Record until `stop` of what is returned is called; `level` is told how loud it is, 0 to 1, and the seconds so far.
export async function record(level) {
  if (!navigator.mediaDevices) throw new Error("This browser gives no microphone to pages at this address. Choose a file.");
  let stream;
  try {
    // What calls are improved with would change a hummed tune.
    stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    });
  } catch (error) {
    throw new Error(
      error.name === "NotAllowedError"
        ? "The browser does not allow the microphone. Allow it beside the address, or choose a file."
        : "No working microphone was found. Plug one in, or choose a file.",
    );
  }
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(stream).connect(analyser);
  const wave = new Float32Array(analyser.fftSize);
  const recorder = new MediaRecorder(stream);
  const parts = [];
  recorder.ondataavailable = (event) => parts.push(event.data);
  const started = performance.now();
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(wave);
    const seconds = (performance.now() - started) / 1000;
    const power = wave.reduce((sum, x) => sum + x * x, 0) / wave.length;
    level(Math.min(1, 1.8 * power ** 0.25), seconds);
    if (seconds >= LONGEST && recorder.state === "recording") recorder.stop();
  }, 80);
  const finished = new Promise((resolve, reject) => {
    recorder.onstop = () => resolve(new Blob(parts).arrayBuffer());
    recorder.onerror = () => reject(new Error("The recording broke off. Try again."));
  }).finally(() => {
    clearInterval(timer);
    stream.getTracks().forEach((track) => track.stop());
    return context.close();
  });
  recorder.start();
  return { stop: () => recorder.state === "recording" && recorder.stop(), finished };
}
