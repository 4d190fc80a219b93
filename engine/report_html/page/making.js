// Copies commands and settings.

export async function drawMaking(section) {
  const said = section.querySelector("#copy-said");
  for (const button of section.querySelectorAll("[data-copy]"))
    button.addEventListener("click", async () => {
      const text = section.querySelector(`#${button.dataset.copy}`);
      said.textContent = (await copiedText(text)) ? "Copied." : "It is selected: copy it with the keyboard.";
    });
}

// A page that was opened as a file may be refused the clipboard: then the text is left selected.
async function copiedText(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(element);
    return false;
  }
}
