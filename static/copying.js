// Copies what a field holds at a click. Without it, or where copying is not allowed, the field is selected by hand.
"use strict";

(() => {
  const gettext = window.gettext ?? ((text) => text);

  for (const button of document.querySelectorAll("[data-copies]")) {
    const field = document.getElementById(button.dataset.copies);
    button.hidden = false;
    button.addEventListener("click", async () => {
      field.select();
      const copied = await navigator.clipboard?.writeText(field.value).then(() => true, () => false);
      if (copied) button.textContent = gettext("Copied");
    });
  }
})();
