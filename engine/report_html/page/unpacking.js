// The way back from engine/report_html/packing.py.

export async function inflated(text) {
  const stream = new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

export async function unpacked(packed) {
  const { kind, length, width, bytes } = packed;
  const planes = await inflated(bytes);
  if (kind === "float64") return new Float64Array(together(planes, length, width).buffer);
  if (kind === "float32") return Float64Array.from(new Float32Array(together(planes, length, width).buffer));
  if (kind === "steps") return stepsIn(planes, length, width);
  return summed(stepsIn(planes, length, width), packed);
}

function bytesOf(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i); // `from` takes ten times as long
  return bytes;
}

// The bytes of each number, which lay in so many planes.
function together(planes, length, width) {
  const rows = new Uint8Array(width * length);
  for (let plane = 0; plane < width; plane++)
    for (let i = 0, at = plane * length; i < length; i++) rows[width * i + plane] = planes[at + i];
  return rows;
}

// Whole numbers of 32 bits, out of planes of which the upper ones may be missing, signs unfolded.
function stepsIn(planes, length, width) {
  const steps = new Int32Array(length);
  for (let plane = 0; plane < width; plane++)
    for (let i = 0, at = plane * length; i < length; i++) steps[i] |= planes[at + i] << (8 * plane);
  for (let i = 0; i < length; i++) steps[i] = (steps[i] >>> 1) ^ -(steps[i] & 1);
  return steps;
}

function summed(steps, { begin, unit = 1, decimals }) {
  const scale = 10 ** decimals;
  const values = new Float64Array(steps.length);
  let whole = begin;
  for (let i = 0; i < steps.length; i++) {
    whole += steps[i] * unit;
    values[i] = whole / scale;
  }
  return values;
}
