// Text that is saved, and numbers in it as Python writes them.

// The fewest digits that give the number back: with an exponent below 0.0001 and from 1e16 on.
export function pythonText(value) {
  if (Number.isNaN(value)) return "";
  const [digits, power] = value.toExponential().split("e");
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 16) {
    const size = String(Math.abs(exponent)).padStart(2, "0");
    return `${digits}e${exponent < 0 ? "-" : "+"}${size}`;
  }
  if (exponent < 0) return `${value < 0 ? "-" : ""}0.${"0".repeat(-exponent - 1)}${digits.replace(/[-.]/g, "")}`;
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

// A line of cells; those that a reader would take apart stand in quotes (RFC 4180).
export function csvLine(cells) {
  const quoted = (cell) => (/[",\r\n]/.test(cell) ? `"${String(cell).replaceAll('"', '""')}"` : cell);
  return cells.map(quoted).join(",");
}

// Offers text as a file.
export function saveText(text, name) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
