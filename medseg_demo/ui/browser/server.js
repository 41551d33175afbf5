// Says so when the server does not answer, or was started anew under the open page: nothing of before is there then.
// Gradio loads the page again by itself in that case, so the server's number is kept beyond the load.
() => {
  const said = globalThis.medsegSay || ((text) => text);
  const EVERY_MS = 15000;
  const KEY = "medseg-server";
  const GONE = "The server does not answer. What is on the page stays; new work must wait until it is back.";
  const ANEW = "The server was started anew while this page was open. Files and results are no longer there.";
  const config = window.gradio_config || {};
  const address = `${config.root || ""}${config.api_prefix || "/gradio_api"}/app_id`;
  const own = String(config.app_id); // of the server that gave this page

  const notice = document.createElement("div");
  notice.id = "ms-server";
  notice.setAttribute("role", "alert");
  const words = document.createElement("p");
  const button = document.createElement("button");
  notice.append(words, button);

  function say(text, label, press) {
    if (words.textContent === said(text) && notice.isConnected) return;
    words.textContent = said(text);
    button.textContent = said(label);
    button.hidden = !label;
    button.onclick = press;
    document.body.append(notice);
  }

  function keep(number) {
    try {
      sessionStorage.setItem(KEY, number);
    } catch {}
  }

  function kept() {
    try {
      return sessionStorage.getItem(KEY);
    } catch {
      return null;
    }
  }

  async function look() {
    if (document.hidden) return;
    let current;
    try {
      current = String((await (await fetch(address, { cache: "no-store" })).json()).app_id);
    } catch {
      say(GONE, "", null);
      return;
    }
    if (current !== own) {
      say(ANEW, "Reload the page", () => location.reload());
    } else if (current !== (kept() ?? own)) {
      say(ANEW, "Close", () => {
        keep(current);
        notice.remove();
      });
    } else {
      keep(current);
      notice.remove();
    }
  }

  look();
  setInterval(look, EVERY_MS);
  for (const event of ["online", "focus"]) window.addEventListener(event, look);
  document.addEventListener("visibilitychange", look);
}
