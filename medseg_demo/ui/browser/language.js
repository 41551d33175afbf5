// The menu of languages in the header: the choice is kept in a cookie, and the page is loaded again in that language.
() => {
  const menus = document.getElementsByClassName("ms-language"); // live: the header is made anew with each result
  const show = () => {
    for (const menu of menus) menu.value = document.documentElement.lang.slice(0, 2) || "en";
  };

  document.addEventListener("change", ({ target }) => {
    if (!target.classList?.contains("ms-language")) return;
    document.cookie = `${target.dataset.cookie}=${target.value}; path=/; max-age=31536000; samesite=lax`;
    location.reload();
  });
  new MutationObserver(show).observe(document.body, { childList: true, subtree: true });
  show();
}
