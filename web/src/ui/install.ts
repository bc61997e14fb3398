/** Working offline, and the offer to install the page like an app. */

interface InstallPrompt extends Event {
  prompt(): Promise<unknown>;
}

/** Register the service worker, where pages may have one. */
export function keepOffline(): void {
  if (!("serviceWorker" in navigator)) return;
  const url = new URL("service-worker.js", document.baseURI);
  // Without it the page works as before, only not offline.
  navigator.serviceWorker.register(url).catch((error: unknown) => console.warn(error));
}

/** Show the button once the browser says that the page can be installed. */
export function offerInstallation(button: HTMLButtonElement): void {
  let offer: InstallPrompt | undefined;
  window.addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    offer = event as InstallPrompt;
    button.hidden = false;
  });
  button.addEventListener("click", () => void offer?.prompt());
  window.addEventListener("appinstalled", () => {
    button.hidden = true;
  });
}
