// On a phone a tap on a picture opens it large; another tap, or Escape, closes it.
document.addEventListener("click", (event) => {
  const picture = event.target.closest(".bd-content div.cell_output img, .bd-content img.drawn");
  if (!picture || !matchMedia("(max-width: 576px)").matches) return;
  const dialog = document.createElement("dialog");
  dialog.className = "picture";
  dialog.ariaLabel = picture.alt;
  const large = picture.cloneNode();
  const style = getComputedStyle(picture);
  large.removeAttribute("id");
  large.style.filter = style.filter;
  large.style.backgroundColor = style.backgroundColor;
  dialog.append(large);
  dialog.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
});
