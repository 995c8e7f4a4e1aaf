// The theme lets the keyboard reach code that scrolls, whenever the window's size changes. Code of
// a solution may scroll once that is open.
document.addEventListener("click", (event) => {
  if (event.target.closest(".admonition.toggle")) dispatchEvent(new Event("resize"));
});
