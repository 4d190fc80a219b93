// The way back from engine/report_html/packing.py.

export async function inflated(text) {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i); // `from` takes ten times as long
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

export async function unpacked({ kind, length, decimals = 0, unit = 1, begin = 0, bytes }) {
  const rows = together(await inflated(bytes), length, kind === "float64" ? 8 : 4);
  if (kind === "float64") return new Float64Array(rows.buffer);
  if (kind === "float32") return Float64Array.from(new Float32Array(rows.buffer));
  const steps = new Int32Array(rows.buffer);
  const scale = 10 ** decimals;
  const values = new Float64Array(length);
  let whole = 0;
  for (let i = 0; i < length; i++) {
    whole += steps[i];
    values[i] = begin + (whole * unit) / scale;
  }
  return values;
}

// The bytes of each number, which lay in so many planes.
function together(planes, length, width) {
  const rows = new Uint8Array(width * length);
  for (let plane = 0; plane < width; plane++)
    for (let i = 0; i < length; i++) rows[width * i + plane] = planes[plane * length + i];
  return rows;
}
